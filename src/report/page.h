// What the HTML pages of `r1 report`, `r1 paper` and `r1 audit` share. Each is one self-contained file, put together
// from its HTML, style and scripts in this folder, which the build embeds in the program (embed in CMakeLists.txt). The
// scripts draw everything in the browser: plain HTML, SVG and JavaScript, and no request. All text that comes from data
// goes through text nodes, never through innerHTML.
#pragma once
#include <map>
#include <string>

#include "base/files.h"

namespace r1 {

extern const char page_js[], chart_js[], rollouts_js[];  // of several pages
extern const char report_html[], report_css[], report_js[], report_curves_js[], report_settings_js[];
extern const char paper_html[], paper_css[], paper_js[], paper_curves_js[], paper_samples_js[];
extern const char audit_html[], audit_css[], audit_js[];

// The HTML, with the part of that name in place of each {{name}}; the newline that ends a part is left out. What stands
// in a part is never taken for a name.
//
//   "<p>{{a}}</p>" and a = "{{b}}\n"          "<p>{{b}}</p>"
std::string page_of_parts(const std::string& html, const std::map<std::string, std::string>& parts);

// JSON that may stand inside <script>: no '<', so neither </script> nor <!-- can arise from data.
std::string json_for_script(const json& data);

}  // namespace r1

// The choices of grpo.h by name: on the command line of `r1 grpo` and `r1 audit`, in the files of a run, and in the
// presets that name what papers and codebases do.
#pragma once
#include <string>
#include <vector>

#include "base/options.h"
#include "loss/grpo.h"

namespace r1 {

OptionTable table_of(GrpoMath& math);

struct Preset {
    const char *name, *source;  // "dapo"; whose, and what is not stated there
    bool states_epsilon;        // of the clip range; otherwise 0.2 is our choice
    GrpoMath math;
    int reference_every = 0;  // updates between refreshes of the reference
};
const std::vector<Preset>& presets();
const Preset& preset(const std::string& name);  // UsageError for an unknown name

// --preset, which sets all of `math`, and reference_every where it is not nullptr. It stands before the single options
// in a table, so that they change what it sets.
Option preset_option(std::string& name, GrpoMath& math, int* reference_every);

// Settings that make no sense together: UsageError.
void check(const GrpoMath& math);

// {"objective": "clip", ...}, all options, as texts.
json math_to_json(const GrpoMath& math);
// From such an object, or from the options of a run's record.
GrpoMath math_from_json(const json& object, const std::string& where);

}  // namespace r1

// The choices of grpo_math.h by name: on the command line of `r1 grpo` and `r1 audit`, in the files of a run, and in
// the presets that name what papers and codebases do.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "base/files.h"
#include "stages/grpo_math.h"

namespace r1 {

struct MathOption {
    const char *name, *help;                     // "--objective"
    std::function<void(GrpoMath&, const std::string&)> set;  // UsageError for a value that is none
    std::function<std::string(const GrpoMath&)> get;
};
const std::vector<MathOption>& math_options();

struct Preset {
    const char *name, *source;                   // "dapo"; whose, and what is not stated there
    bool states_epsilon;                         // else 0.2 stands here
    GrpoMath math;
    int reference_every = 0;                     // updates between refreshes of the reference
};
const std::vector<Preset>& presets();
const Preset& preset(const std::string& name);   // UsageError for an unknown name

// Settings that make no sense together: UsageError.
void check(const GrpoMath& math);

// {"objective": "clip", ...}, all options; what a run's folder keeps.
json math_to_json(const GrpoMath& math);
GrpoMath math_from_json(const json& object, const std::string& where);

}  // namespace r1

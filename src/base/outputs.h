// Where a command writes. A place that is not empty is refused unless --resume or --overwrite is given, what is read is
// never written over, and a place has one writer at a time.
#pragma once
#include <string>
#include <vector>

#include "base/options.h"

namespace r1 {

// UsageError, in one line that names the option and the place, unless the command may write where its options say.
void check_outputs(const OptionTable& table, bool overwrite);

// Holds a place until it goes away. The kernel gives the place free when the process ends, however that happens. The
// lock of a folder is the folder's own, which is made if it is not there; that of a file is FILE.lock beside it.
class OutputLock {
public:
    // UsageError if another process holds it.
    explicit OutputLock(const Option& option);
    ~OutputLock();
    OutputLock(OutputLock&& other) noexcept;
    OutputLock(const OutputLock&) = delete;
    OutputLock& operator=(const OutputLock&) = delete;

private:
    std::string made_;  // what this made and may take away again: a lock's file, or a folder that stays empty
    bool folder_;
    int descriptor_ = -1;
};
std::vector<OutputLock> lock_outputs(const OptionTable& table);

}  // namespace r1

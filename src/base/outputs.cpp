#include "base/outputs.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/check.h"

namespace r1 {

namespace fs = std::filesystem;

static bool same_place(const fs::path& a, const fs::path& b) {
    std::error_code error;
    if (fs::equivalent(a, b, error)) return true;
    return fs::weakly_canonical(a, error) == fs::weakly_canonical(b, error);
}

// A folder's own path has no last part where it ends with a slash.
static fs::path folder_of(const fs::path& file) {
    const fs::path folder = file.parent_path();
    return folder.empty() ? "." : folder;
}

static bool lies_in(const fs::path& place, const fs::path& folder) {
    std::error_code error;
    const fs::path inside = fs::weakly_canonical(place, error).lexically_relative(fs::weakly_canonical(folder, error));
    return !inside.empty() && *inside.begin() != "..";
}

// What is read must stay as it is.
static void check_not_an_input(const Option& output, const std::string& input, const fs::path& from) {
    const fs::path to = output.read();
    const auto refuse = [&](const std::string& how) {
        throw UsageError(how + " " + input + ", " + output.name + " " + to.string() +
                         ", choose another place, so that nothing is lost");
    };
    std::error_code error;
    if (same_place(to, from)) refuse("the same place as");
    const bool of_model = fs::is_directory(from, error) && belongs_to_model(to.filename().string());
    if (of_model && same_place(folder_of(to), from)) refuse("a file of the model of");
    const bool is_read_whole = fs::is_directory(from, error) && !fs::exists(from / "config.json", error);
    if (is_read_whole && lies_in(to, from)) refuse("inside the folder of");
    if (output.writes == Writes::folder && same_place(folder_of(from), to)) refuse("the folder that holds");
}

// A folder or a regular file, as the option means it, or nothing yet.
static void check_kind(const Option& output) {
    const std::string place = output.read();
    std::error_code error;
    const bool is_folder = fs::is_directory(place, error), is_file = fs::is_regular_file(place, error);
    if (!fs::exists(place, error) || (output.writes == Writes::folder ? is_folder : is_file)) return;
    const std::string what = is_folder ? "a folder" : is_file ? "a file" : "neither file nor folder";
    throw UsageError(what + " where a " + (output.writes == Writes::folder ? "folder" : "file") + " is meant, " +
                     output.name + " " + place + ", choose another place");
}

static void check_free(const Option& output, bool can_resume) {
    const std::string place = output.read();
    const std::string advice = std::string("give ") + (can_resume ? "--resume to go on or " : "") +
                               "--overwrite to write it anew, or choose another place";
    if (output.writes == Writes::folder ? holds_something(place) : exists(place))
        throw UsageError("there already, " + output.name + " " + place + ", " + advice);
}

static bool is_named(const Option& option) { return !option.read().empty(); }

void check_outputs(const OptionTable& table, bool overwrite) {
    const Option* resume = table.find("--resume");
    const bool goes_on = resume && resume->read() == "true";
    if (goes_on && overwrite) throw UsageError("--resume and --overwrite, on the command line, give one of them");
    for (const Option& output : table.all) {
        if (output.writes == Writes::nothing || !is_named(output)) continue;
        check_kind(output);
        for (const Option& input : table.all)
            if (input.effect == Effect::input)
                for (const std::string& path : input.paths()) check_not_an_input(output, input.name, path);
        if (!goes_on && !overwrite) check_free(output, resume != nullptr);
    }
}

// ---- one writer

static bool is_open_file_at(int descriptor, const std::string& path) {
    struct stat open_one {
    }, at_path{};
    return fstat(descriptor, &open_one) == 0 && stat(path.c_str(), &at_path) == 0 &&
           open_one.st_ino == at_path.st_ino && open_one.st_dev == at_path.st_dev;
}

OutputLock::OutputLock(const Option& option) : folder_(option.writes == Writes::folder) {
    const std::string place = option.read(), path = folder_ ? place : place + ".lock";
    if (!folder_ || !exists(path)) made_ = path;
    while (true) {
        if (folder_) make_folder(path);
        descriptor_ = folder_ ? open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                              : open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (descriptor_ < 0)
            fail("cannot write here", place, std::string(std::strerror(errno)) + "; choose another place");
        const bool taken = flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
        if (!taken && is_open_file_at(descriptor_, path)) return;
        close(std::exchange(descriptor_, -1));  // and if it is another's, or was, the kernel's lock goes with it
        if (!taken) continue;                   // its holder has just taken it away
        throw UsageError("another process is writing there, " + option.name + " " + place +
                         ", wait for its end or choose another place");
    }
}

OutputLock::OutputLock(OutputLock&& other) noexcept
    : made_(std::move(other.made_)), folder_(other.folder_), descriptor_(std::exchange(other.descriptor_, -1)) {}

OutputLock::~OutputLock() {
    if (descriptor_ < 0) return;
    if (!made_.empty()) folder_ ? rmdir(made_.c_str()) : unlink(made_.c_str());
    close(descriptor_);
}

std::vector<OutputLock> lock_outputs(const OptionTable& table) {
    std::vector<OutputLock> locks;
    for (const Option& option : table.all)
        if (option.writes != Writes::nothing && is_named(option)) locks.emplace_back(option);
    return locks;
}

}  // namespace r1

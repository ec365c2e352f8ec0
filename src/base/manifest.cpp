#include "base/manifest.h"

#include <algorithm>
#include <filesystem>

#include "base/check.h"
#include "base/version.h"

namespace r1 {

namespace fs = std::filesystem;

constexpr const char* SEAL = "sha256";

static std::string path_of(const std::string& folder) { return folder + "/" + MANIFEST; }

void write_sealed(const std::string& path, json object) {
    object.erase(SEAL);
    object[SEAL] = sha256(object.dump());
    write_file_atomically(path, object.dump(2) + "\n");
}

// Null if it is damaged.
static json unsealed(const std::string& path) {
    json object = json_of(read_file(path));
    if (!object.is_object() || !object.contains(SEAL)) return {};
    const json seal = object[SEAL];
    object.erase(SEAL);
    return seal == sha256(object.dump()) ? object : json();
}

json read_sealed(const std::string& path) {
    json object = unsealed(path);
    if (object.is_null())
        fail("a damaged file: its bytes are not those that were written", path,
             "take it from a copy, or begin anew with --overwrite");
    return object;
}

static std::vector<std::string> names_in(const std::string& folder) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder)) {
        const std::string name = entry.path().filename().string();
        if (entry.is_regular_file() && name != MANIFEST && !name.ends_with(".tmp")) names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

void write_manifest(const std::string& folder, const json& about) {
    const Version v = version();
    json manifest = {{"program", {{"version", v.number}, {"commit", v.commit}}}};
    manifest.update(about);
    json& files = manifest["files"] = json::object();
    for (const std::string& name : names_in(folder)) {
        const std::string path = folder + "/" + name;
        files[name] = {{"bytes", fs::file_size(path)}, {"sha256", sha256_of_file(path)}};
    }
    write_sealed(path_of(folder), manifest);
}

bool has_manifest(const std::string& folder) { return exists(path_of(folder)); }

static std::string damage_of_file(const std::string& path, const json& written) {
    if (!exists(path)) return "it is missing";
    std::error_code error;
    const auto bytes = fs::file_size(path, error);
    if (error || bytes != written.value("bytes", uint64_t(0)))
        return std::to_string(bytes) + " bytes where " + written["bytes"].dump() + " were written";
    return sha256_of_file(path) == written["sha256"] ? "" : "its bytes are not those that were written";
}

std::vector<std::string> damage_of(const std::string& folder, const std::function<bool(const std::string&)>& wanted) {
    std::vector<std::string> damage;
    if (!has_manifest(folder)) return damage;
    const json manifest = unsealed(path_of(folder));
    if (manifest.is_null()) return {std::string(MANIFEST) + ": its bytes are not those that were written"};
    for (const auto& [name, written] : manifest["files"].items()) {
        if (!wanted(name)) continue;
        const std::string what = damage_of_file(folder + "/" + name, written);
        if (!what.empty()) damage.push_back(name + ": " + what);
    }
    return damage;
}

void check_whole(const std::string& folder, const std::function<bool(const std::string&)>& wanted) {
    const std::vector<std::string> damage = damage_of(folder, wanted);
    if (!damage.empty())
        fail("a damaged file, " + damage[0], folder,
             "take it from a copy; if you changed it yourself, remove " + std::string(MANIFEST));
}

}  // namespace r1

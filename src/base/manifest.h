// What this program wrote into a folder, so that damage is seen before anything is read from it: r1-manifest.json,
//
//   {"program": {"version", "commit"}, ..., "files": {"config.json": {"bytes": 812, "sha256": "..."}, ...},
//    "sha256": "..."}
//
// with the hash of all that stands before it at the end. A folder without one is another's, and is read as it is.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "base/files.h"

namespace r1 {

constexpr const char* MANIFEST = "r1-manifest.json";

// A JSON file that ends with the hash of what stands before it. write: atomically. read: Error if it is damaged.
void write_sealed(const std::string& path, json object);
json read_sealed(const std::string& path);

// Of all files that lie in the folder itself. about: what else the manifest says.
void write_manifest(const std::string& folder, const json& about);

// What is not as it was written, a line each: "config.json: its bytes are not those that were written". Of the files
// whose names are wanted; the manifest itself always is. Empty without a manifest.
std::vector<std::string> damage_of(const std::string& folder, const std::function<bool(const std::string&)>& wanted);
bool has_manifest(const std::string& folder);

// Error that names the first damaged file.
void check_whole(const std::string& folder, const std::function<bool(const std::string&)>& wanted);

}  // namespace r1

// What a loss of power leaves on a disk: the calls of a process that change files are written down, and played up to
// any of them on a disk of which only what was synced is sure. Of the rest each folder's names and each file's bytes
// may be there, in part or not at all.
#pragma once
#include <sys/uio.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/philox.h"
#include "kill.h"

namespace r1 {

struct DiskCall {
    enum Kind { create, write, sync, move, remove, folder, cut } kind;
    std::string path, to;  // absolute; of a move both
    std::string bytes;
    uint64_t at = 0;     // where the bytes stand, or what is left of a file that is cut
    bool empty = false;  // a file that is created is emptied
};

// The calls of a process that change what lies in a folder.
class Recorder {
public:
    explicit Recorder(std::string folder) : folder_(std::move(folder)) {}
    std::vector<DiskCall> calls;

    Watch watch() {
        return {[](pid_t, const SystemCall&) { return DO_CALL; },
                [this](pid_t child, const SystemCall& call, int64_t result) {
            if (result >= 0) see(child, call.entry.nr, call.entry.args, result);
                }};
    }

private:
    struct Open {
        std::string path;
        uint64_t at = 0;
        bool append = false;
    };
    std::string folder_;
    std::map<int64_t, Open> open_;
    std::map<std::string, uint64_t> size_;

    std::string path_at(pid_t child, int64_t folder, uint64_t name) {
        const std::string path = text_of(child, name);
        if (path.starts_with("/")) return path;
        const auto found = open_.find(folder);
        return found == open_.end() ? path : found->second.path + "/" + path;
    }
    void add(const DiskCall& call) {
        if (call.path.starts_with(folder_)) calls.push_back(call);
    }
    void move(const std::string& from, const std::string& to) {
        add({DiskCall::move, from, to, {}});
        size_[to] = size_[from];
    }
    void see(pid_t child, uint64_t number, const uint64_t* a, int64_t result) {
        switch (number) {
            case SYS_openat: {
                const std::string path = path_at(child, int(a[0]), a[1]);
                const int flags = int(a[2]);
                open_[result] = {path, 0, (flags & O_APPEND) != 0};
                if (!(flags & (O_WRONLY | O_RDWR))) return;
                if (flags & O_TRUNC) size_[path] = 0;
                return add({DiskCall::create, path, {}, {}, 0, (flags & O_TRUNC) != 0});
            }
            case SYS_close: return void(open_.erase(int64_t(a[0])));
            case SYS_write: {
                const auto found = open_.find(int64_t(a[0]));
                if (found == open_.end()) return;
                Open& file = found->second;
                std::string bytes(size_t(result), '\0');
                iovec here{bytes.data(), bytes.size()}, there{reinterpret_cast<void*>(a[1]), bytes.size()};
                REQUIRE(process_vm_readv(child, &here, 1, &there, 1, 0) == result);
                const uint64_t at = file.append ? size_[file.path] : file.at;
                add({DiskCall::write, file.path, {}, bytes, at});
                file.at = at + uint64_t(result);
                size_[file.path] = std::max(size_[file.path], file.at);
                return;
            }
            case SYS_fsync:
                if (open_.contains(int64_t(a[0]))) add({DiskCall::sync, open_[int64_t(a[0])].path, {}, {}});
                return;
            case SYS_truncate: {
                const std::string path = text_of(child, a[0]);
                size_[path] = a[1];
                return add({DiskCall::cut, path, {}, {}, a[1]});
            }
            case SYS_unlinkat: return add({DiskCall::remove, path_at(child, int(a[0]), a[1]), {}, {}});
            case SYS_mkdirat: return add({DiskCall::folder, path_at(child, int(a[0]), a[1]), {}, {}});
            case SYS_renameat:
            case SYS_renameat2: return move(path_at(child, int(a[0]), a[1]), path_at(child, int(a[2]), a[3]));
#ifdef SYS_rename
            case SYS_rename: return move(text_of(child, a[0]), text_of(child, a[1]));
            case SYS_unlink:
            case SYS_rmdir: return add({DiskCall::remove, text_of(child, a[0]), {}, {}});
            case SYS_mkdir: return add({DiskCall::folder, text_of(child, a[0]), {}, {}});
#endif
            default: return;
        }
    }
};

// A disk of which the calls up to some point are known.
class Disk {
public:
    explicit Disk(std::string folder) : folder_(std::move(folder)), root_(std::make_shared<Node>()) {}

    void play(const DiskCall& call) {
        if (call.kind == DiskCall::sync) return sync(call.path);
        if (call.path == folder_) return;
        const auto [parent, name] = parent_of(call.path);
        if (!parent) return;
        std::map<std::string, std::shared_ptr<Node>>& now = parent->now;
        switch (call.kind) {
            case DiskCall::create:
                if (!now.contains(name)) change(*parent, name, std::make_shared<Node>());
                now[name]->is_file = true;
                if (call.empty && !now[name]->bytes.empty()) now[name]->bytes.clear();
                return;
            case DiskCall::folder: return change(*parent, name, std::make_shared<Node>());
            case DiskCall::write: {
                std::string& bytes = now[name]->bytes;
                if (bytes.size() < call.at + call.bytes.size()) bytes.resize(call.at + call.bytes.size());
                bytes.replace(call.at, call.bytes.size(), call.bytes);
                return;
            }
            case DiskCall::cut: return now[name]->bytes.resize(call.at);
            case DiskCall::remove: return change(*parent, name, nullptr);
            case DiskCall::move: {  // within a folder, and at once
                const std::shared_ptr<Node> node = now[name];
                const auto [other, new_name] = parent_of(call.to);
                REQUIRE(other == parent);
                parent->changes.push_back({{name, nullptr}, {new_name, node}});
                now.erase(name);
                now[new_name] = node;
                return;
            }
            default: return;
        }
    }

    // Writes to the folder what is found after the power is back. Way 0: what was synced. 1: all names, and of the
    // bytes what was synced. 2: all names, and of the bytes a part. More: by chance in each folder and file.
    void lose_power(uint32_t way) const {
        std::filesystem::remove_all(folder_);
        Stream random(way, Purpose::problems, 0);
        put(*root_, folder_, way, random);
    }

private:
    struct Node {
        bool is_file = false;
        std::string bytes, synced;
        std::map<std::string, std::shared_ptr<Node>> now, before;  // names; those that were synced
        // Since then; those of a list happen at once.
        std::vector<std::vector<std::pair<std::string, std::shared_ptr<Node>>>> changes = {};
    };
    std::string folder_;
    std::shared_ptr<Node> root_;

    std::pair<Node*, std::string> parent_of(const std::string& path) const {
        Node* node = root_.get();
        const std::filesystem::path inside = std::filesystem::path(path).lexically_relative(folder_);
        for (auto part = inside.begin(); part != inside.end(); ++part) {
            if (std::next(part) == inside.end()) return {node, part->string()};
            const auto found = node->now.find(part->string());
            if (found == node->now.end()) return {nullptr, ""};
            node = found->second.get();
        }
        return {nullptr, ""};
    }
    static void change(Node& folder, const std::string& name, const std::shared_ptr<Node>& node) {
        folder.changes.push_back({{name, node}});
        if (node) folder.now[name] = node;
        else folder.now.erase(name);
    }
    void sync(const std::string& path) {
        if (path == folder_) return sync(*root_);
        const auto [parent, name] = parent_of(path);
        if (parent && parent->now.contains(name)) sync(*parent->now[name]);
    }
    static void sync(Node& node) {
        node.synced = node.bytes;
        node.before = node.now;
        node.changes.clear();
    }
    static void put(const Node& folder, const std::string& path, uint32_t way, Stream& random) {
        std::filesystem::create_directories(path);
        std::map<std::string, std::shared_ptr<Node>> names = folder.before;
        const size_t all = folder.changes.size();
        const size_t there = way == 0 ? 0 : way <= 2 ? all : random.below(uint32_t(all + 1));
        for (size_t i = 0; i < there; ++i)
            for (const auto& [name, node] : folder.changes[i]) {
                if (node) names[name] = node;
                else names.erase(name);
            }
        for (const auto& [name, node] : names) {
            if (!node->is_file) {
                put(*node, path + "/" + name, way, random);
                continue;
            }
            std::string bytes = node->synced;
            if (way >= 2 && bytes != node->bytes) {  // what was not synced is torn
                bytes = node->bytes;
                const size_t sure = node->synced.size(), size = bytes.size();
                const size_t cut = way == 2 ? size - size / 3 : random.below(uint32_t(size + 1));
                const bool zeros = way == 2 || random.below(2) == 1;
                const size_t end = std::min(size, std::max(cut, sure));
                if (zeros) std::fill(bytes.begin() + std::ptrdiff_t(end), bytes.end(), '\0');
                else bytes.resize(std::max(cut, std::min(size, sure)));
            }
            std::FILE* file = std::fopen((path + "/" + name).c_str(), "wb");
            std::fwrite(bytes.data(), 1, bytes.size(), file);
            std::fclose(file);
        }
    }
};

}  // namespace r1

// Nodes that files and folders are, and names that lead to them.
#include "disk.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <stdexcept>

namespace strata::test {
namespace {

namespace fs = std::filesystem;

constexpr size_t kFew = 4;          // changes of one folder of which every choice is tried
constexpr size_t kTogether = 4096;  // choices of names in all folders: more would take too long

}  // namespace

void write_tree(const fs::path& folder, const Tree& tree) {
  fs::remove_all(folder);
  fs::create_directories(folder);
  for (const auto& [path, content] : tree) {  // a folder comes before what is in it
    if (content.has_value()) {
      std::ofstream(folder / path, std::ios::binary) << *content;
    } else {
      fs::create_directory(folder / path);
    }
  }
}

Tree read_tree(const fs::path& folder) {
  Tree out;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    std::optional<std::string>& content = out[fs::relative(entry.path(), folder).string()];
    if (!entry.is_directory()) {
      std::ifstream in(entry.path(), std::ios::binary);
      content = std::string(std::istreambuf_iterator<char>(in), {});
    }
  }
  return out;
}

std::pair<size_t, std::string> Disk::parent_of(const std::string& path) const {
  const fs::path whole(path);
  const auto parent = find(whole.parent_path().string());
  if (!parent.has_value()) {
    throw std::logic_error("the journal names " + path + ", whose folder it did not make");
  }
  return {*parent, whole.filename().string()};
}

std::optional<size_t> Disk::find(const std::string& path) const {
  size_t node = 0;
  for (const fs::path& part : fs::path(path)) {
    const auto next = nodes_[node].names.find(part.string());
    if (next == nodes_[node].names.end()) {
      return std::nullopt;
    }
    node = next->second;
  }
  return node;
}

size_t Disk::node_of(const Record& record) const {
  return open_.at(record.handle);
}

size_t Disk::make(bool folder) {
  nodes_.emplace_back();
  nodes_.back().folder = folder;
  return nodes_.size() - 1;
}

void Disk::apply_to(Names& names, const Change& change) {
  for (const Entry& entry : change) {
    if (entry.after.has_value()) {
      names[entry.name] = *entry.after;
    } else if (const auto found = names.find(entry.name);
               found != names.end() && found->second == entry.before) {
      names.erase(found);
    }
  }
}

void Disk::change(size_t folder, const Change& change) {
  apply_to(nodes_[folder].names, change);
  nodes_[folder].unsynced.push_back(change);
}

void Disk::move(const Record& record) {
  const auto [from, name] = parent_of(record.path);
  const auto [to, name2] = parent_of(record.path2);
  const auto node = find(record.path);
  const auto node2 = find(record.path2);
  switch (record.op) {
    case FileOp::kLink:
      return change(to, {{name2, node2, node}});
    case FileOp::kRename:
    case FileOp::kExchange:
      if (from != to) {
        throw std::logic_error("a rename from folder to folder is not modelled: " + record.path);
      }
      return change(from,
                    {{name, node, record.op == FileOp::kRename ? std::nullopt : node2},
                     {name2, node2, node}});
    default:
      break;
  }
}

void Disk::sync(size_t node) {
  Node& n = nodes_[node];
  n.synced_content = n.content;
  n.synced_names = n.names;
  n.unsynced.clear();
}

void Disk::apply(const Record& record, bool lose_sync) {
  if (record.error != 0) {
    return;
  }
  switch (record.op) {
    case FileOp::kOpen:
      open_[record.handle] = find(record.path).value();
      break;
    case FileOp::kCreate:
    case FileOp::kMakeFolder: {
      const auto [folder, name] = parent_of(record.path);
      const size_t node = make(record.op == FileOp::kMakeFolder);
      change(folder, {{name, std::nullopt, node}});
      open_[record.handle] = node;
      break;
    }
    case FileOp::kTruncate:
      nodes_[node_of(record)].content.resize(static_cast<size_t>(record.offset));
      break;
    case FileOp::kWrite: {
      std::string& content = nodes_[node_of(record)].content;
      const auto begin = static_cast<size_t>(record.offset);
      content.resize(std::max(content.size(), begin + record.data.size()));
      content.replace(begin, record.data.size(), record.data);
      break;
    }
    case FileOp::kSync:
      if (!lose_sync) {
        sync(node_of(record));
      }
      break;
    case FileOp::kUnlink:
    case FileOp::kRemoveFolder: {
      const auto [folder, name] = parent_of(record.path);
      change(folder, {{name, find(record.path), std::nullopt}});
      break;
    }
    case FileOp::kRename:
    case FileOp::kExchange:
    case FileOp::kLink:
      move(record);
      break;
    case FileOp::kReserve:
    case FileOp::kClose:
    case FileOp::kMark:
      break;
  }
}

void Disk::collect(size_t folder,
                   const std::string& path,
                   const Choices& chosen,
                   Contents contents,
                   Tree& out) const {
  const auto names = chosen.find(folder);
  for (const auto& [name, node] : names == chosen.end() ? nodes_[folder].names : names->second) {
    const std::string below = path + name;
    const Node& n = nodes_[node];
    if (n.folder) {
      out[below] = std::nullopt;
      collect(node, below + "/", chosen, contents, out);
    } else if (contents == Contents::kZeros && n.content != n.synced_content) {
      out[below] = n.synced_content.substr(0, n.content.size());
      out[below]->resize(n.content.size());
    } else {
      out[below] = contents == Contents::kSynced ? n.synced_content : n.content;
    }
  }
}

Tree Disk::now() const {
  Tree out;
  collect(0, "", {}, Contents::kWritten, out);
  return out;
}

std::vector<Disk::Choice> Disk::choices(size_t changes) {
  std::vector<Choice> out;
  if (changes <= kFew) {
    for (size_t bits = 0; bits < size_t{1} << changes; ++bits) {
      Choice& choice = out.emplace_back(changes);
      for (size_t i = 0; i < changes; ++i) {
        choice[i] = (bits >> i & 1) != 0;
      }
    }
    return out;
  }
  for (size_t i = 0; i <= changes; ++i) {
    Choice& beginning = out.emplace_back(changes, false);
    std::fill_n(beginning.begin(), i, true);
  }
  for (size_t i = 0; i < changes; ++i) {
    out.emplace_back(changes, true)[i] = false;
  }
  return out;
}

std::vector<Disk::Names> Disk::possible_names(const Node& node) const {
  std::vector<Names> out;
  for (const Choice& choice : choices(node.unsynced.size())) {
    Names names = node.synced_names;
    for (size_t i = 0; i < choice.size(); ++i) {
      if (choice[i]) {
        apply_to(names, node.unsynced[i]);
      }
    }
    if (std::ranges::find(out, names) == out.end()) {
      out.push_back(std::move(names));
    }
  }
  return out;
}

// Folders that some choice of names leads to.
std::set<size_t> Disk::reachable() const {
  std::set<size_t> out;
  const std::function<void(size_t)> reach = [&](size_t node) {
    if (!nodes_[node].folder || !out.insert(node).second) {
      return;
    }
    for (const auto& [name, below] : nodes_[node].synced_names) {
      reach(below);
    }
    for (const Change& change : nodes_[node].unsynced) {
      for (const Entry& entry : change) {
        reach(entry.after.value_or(node));
      }
    }
  };
  reach(0);
  return out;
}

void Disk::for_each_after_power_cut(const std::function<void(const Tree&)>& visit) const {
  std::vector<Choices> all(1);
  for (const size_t i : reachable()) {
    std::vector<Choices> next;
    for (const Names& names : possible_names(nodes_[i])) {
      for (Choices chosen : all) {
        chosen[i] = names;
        next.push_back(std::move(chosen));
      }
    }
    all = std::move(next);
    if (all.size() > kTogether) {
      throw std::logic_error("too many names wait for a sync to try what may become of them");
    }
  }
  for (const Choices& chosen : all) {
    for (const Contents contents : {Contents::kSynced, Contents::kWritten, Contents::kZeros}) {
      Tree tree;
      collect(0, "", chosen, contents, tree);
      visit(tree);
    }
  }
}

}  // namespace strata::test

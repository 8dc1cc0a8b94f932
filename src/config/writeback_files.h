// The files of a writeback: which may be written, which is the
// Local_Changes_File, what is edited in them, and whether what comes out says
// what it should.
#pragma once

#include "config/config_text.h"
#include "config/writeback.h"
#include "config/writeback_places.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace impulse::config {

class WritebackFiles {
 public:
  WritebackFiles(const Loaded& loaded, const WritebackRules& rules);

  bool writable(const SyntaxTree& tree) const;
  TextEdits& edits(const SyntaxTree& tree) { return edits_.try_emplace(&tree, tree).first->second; }
  size_t line_of(const SyntaxTree& tree, const Node& node) const;

  bool has_local() const { return !local_path_.empty(); }
  const std::string& local_path() const { return local_path_; }
  const SyntaxTree* local_tree() const { return local_; }  // null: nothing includes it yet
  bool is_local(const SyntaxTree& tree) const { return &tree == local_; }
  // The block of a new one, which `main` (the outermost container) comes to include.
  Result<TextBlock*> create_local(const Container& main);

  // The texts, when reading them gives `wanted`.
  Result<std::vector<FileEdit>> finish(const ScopePtr& wanted);

 private:
  bool same_file(const std::string& a, const std::string& b) const;
  Result<Loaded> read_again(const std::map<const SyntaxTree*, std::string>& texts, const std::string& local) const;

  const Loaded& loaded_;
  const WritebackRules& rules_;
  std::map<const SyntaxTree*, TextEdits> edits_;
  mutable std::map<const SyntaxTree*, bool> writable_;
  std::string local_path_;
  const SyntaxTree* local_ = nullptr;
  bool local_created_ = false;
  bool local_exists_ = false;
  std::string local_before_;
  TextBlock local_block_;
};

}  // namespace impulse::config

// Loader: a file and everything it includes, in the order in which it counts.
#pragma once

#include "base/result.h"
#include "config/syntax.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace impulse::config {

// Reads a file; tests pass a fake. Errors become diagnostics at the
// include statement.
using ReadFile = std::function<Result<std::string>(const std::string& path)>;

struct LoadOptions {
  std::vector<std::string> search_path;  // IMPULSE_CONF_PATH
  ReadFile read_file;                    // empty: the real file system
};

// All sources of a configuration. Includes have been followed: `trees[i]`
// stands where `IncludeNode`s named it. Relative includes are looked for in the
// including file's folder, then along the search path; a directory stands for
// its plain files in alphabetical order, hidden ones left out. A cycle is an
// error that shows the chain; a file included twice becomes read-only.
struct Loaded {
  std::vector<std::shared_ptr<const SyntaxTree>> trees;  // [0] is the main file
  // For each include node: the trees that stand for it.
  std::map<const IncludeNode*, std::vector<std::shared_ptr<const SyntaxTree>>> includes;
  Diagnostics diagnostics;  // of all trees, and of including
};

Loaded load(const std::string& path, const LoadOptions& options);

}  // namespace impulse::config

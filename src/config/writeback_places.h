// Where a configuration's scopes and options stand in its files, in the order
// in which they count.
#pragma once

#include "config/loader.h"
#include "config/tree.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace impulse::config {

// Something that can be written behind: the body of a scope, or of a file.
struct Container {
  const SyntaxTree* tree = nullptr;
  const ScopeNode* scope = nullptr;  // null: the file itself
  size_t end = 0;                    // counts later than every Occurrence::at before it
};

// A statement.
struct Occurrence {
  const SyntaxTree* tree = nullptr;
  const Node* node = nullptr;
  size_t at = 0;
};

// All that is said about one scope.
struct PlacedScope {
  std::vector<Container> containers;                    // as they were opened
  std::vector<Occurrence> openings;                     // of the scope, as statements
  std::map<uint16_t, std::vector<Occurrence>> options;  // by row; the last counts
};

// Of the scopes named (by to_string of their path) only, and those around them.
class Places {
 public:
  Places(const Loaded& loaded, const std::set<std::string>& wanted);
  // Of a scope that is not in the files: nothing.
  const PlacedScope& at(const ScopePath& path) const;

 private:
  void walk(const SyntaxTree& tree, const std::vector<Node>& nodes);
  void visit(const SyntaxTree& tree, const Node& node, const OptionNode& option);
  void visit(const SyntaxTree& tree, const Node& node, const ScopeNode& scope);
  void visit(const SyntaxTree& tree, const Node& node, const IncludeNode& include);
  void contain(const SyntaxTree& tree, const ScopeNode* scope, const std::vector<Node>& nodes);

  const Loaded& loaded_;
  std::set<std::string> interesting_;
  std::map<std::string, PlacedScope> scopes_;
  ScopePath path_;
  std::string name_;  // of path_
  size_t now_ = 0;
};

}  // namespace impulse::config

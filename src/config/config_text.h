// Configuration as text: writing it anew, and editing one file in place with
// all else in it kept, byte by byte.
#pragma once

#include "config/syntax.h"
#include "config/tree.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace impulse::config {

struct OpenedBlock;

// What is to be added to a scope, in this order.
struct TextBlock {
  std::vector<std::string> statements;     // "Hostname = a.example"
  std::vector<ScopePtr> scopes;            // new ones, with all that is in them
  std::vector<OpenedBlock> opened;         // scopes opened again
  std::vector<std::string> last;           // statements that have to stand behind all else
  std::map<std::string, size_t> titles{};  // where in `opened`: there may be many

  TextBlock& open(const std::string& title);  // the one of that title, added when it is not there
  bool empty() const;
};

// Not a pair, which clang wants complete.
struct OpenedBlock {
  std::string title;
  TextBlock body;
};

// "Hostname = a.example", as it was written or typed.
std::string statement_text(const Setting& setting);
// "Listen \"*:25\""
std::string title_text(const ScopeDef& def, const std::string& instance);

// How a file is laid out.
struct Layout {
  std::string unit = "  ";     // one more level
  std::string newline = "\n";  // or "\r\n"
};
std::string block_text(const TextBlock& block, const std::string& indent, const Layout& layout);
// On one line, each statement with a space in front.
std::string inline_text(const TextBlock& block);

// Edits of one file, gathered and then applied at once. The tree is borrowed,
// and so are the nodes of it that are named.
class TextEdits {
 public:
  explicit TextEdits(const SyntaxTree& tree) : tree_(tree) {}

  void replace(const Node& option, const RawValue& value);  // of an OptionNode, its value only
  void remove(const Node& node);                            // and its line, when that is empty then
  // What goes behind the last statement of a scope; nullptr: of the file.
  TextBlock& append_to(const ScopeNode* scope) { return appended_[scope]; }

  bool removes(const Node& node) const { return removed_.contains(&node); }
  std::string apply() const;

 private:
  struct Change {
    size_t begin = 0;
    size_t end = 0;
    std::string text{};
  };
  void change_values(std::vector<Change>& changes) const;
  void change_removed(const std::string& rest, std::vector<Change>& changes, std::vector<Span> ranges) const;
  void change_appended(const std::string& rest, std::vector<Change>& changes, std::vector<Span>& blanks) const;
  void append_behind(const Node& anchor, const ScopeNode* scope, const TextBlock& block, const std::string& rest,
                     std::vector<Change>& changes) const;
  void append_into(const ScopeNode& scope, const TextBlock& block, const std::string& rest,
                   std::vector<Change>& changes, std::vector<Span>& blanks) const;
  void append_at_end(const TextBlock& block, std::vector<Change>& changes) const;
  std::string masked() const;    // the text with all that is removed blanked: `rest`
  const Layout& layout() const;  // looked for once: there may be many edits, in many lines

  std::string_view text() const { return tree_.source->text; }
  size_t line_start(size_t at) const;
  std::string indent_of_line(size_t at) const;

  const SyntaxTree& tree_;
  mutable std::optional<Layout> layout_;
  std::vector<std::pair<const Node*, RawValue>> replaced_;
  std::set<const Node*> removed_;
  std::map<const ScopeNode*, TextBlock> appended_;
};

}  // namespace impulse::config

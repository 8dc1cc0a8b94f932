#include "config/writeback_files.h"

#include "base/files.h"
#include "config/engine.h"
#include "config/writeback_order.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace impulse::config {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view local_header =
    "# What was changed in the console and written by 'config writeback'\n"
    "# (Local_Changes_File). It is included last, so what stands here wins.\n";

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash + 1);
}

// May this file be replaced, as far as its permissions tell?
bool replaceable(const std::string& path) {
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  if (error || ::access(real.c_str(), W_OK) != 0) return false;
  return ::access(real.parent_path().c_str(), W_OK | X_OK) == 0;
}

// The includes of a file in the order of its text, without those that are removed.
void collect(const std::vector<Node>& nodes, const TextEdits* edits, std::vector<const IncludeNode*>& found) {
  for (const Node& node : nodes) {
    if (edits && edits->removes(node)) continue;
    if (const auto* include = node.get_if<IncludeNode>()) found.push_back(include);
    if (const auto* scope = node.get_if<ScopeNode>()) collect(scope->body, edits, found);
  }
}

// Why two trees are not the same; empty when they are.
std::string difference(const ScopePtr& have, const ScopePtr& wanted) {
  const auto changes = diff(have, wanted);
  return changes.empty() ? std::string() : changes.front().to_string();
}

}  // namespace

WritebackFiles::WritebackFiles(const Loaded& loaded, const WritebackRules& rules) : loaded_(loaded), rules_(rules) {
  if (rules.local_changes_file.empty()) return;
  local_path_ = rules.local_changes_file;
  if (!local_path_.starts_with('/')) local_path_ = folder_of(loaded.trees.front()->source->name) + local_path_;
  for (const auto& tree : loaded.trees)
    if (same_file(tree->source->name, local_path_)) local_ = tree.get();
}

bool WritebackFiles::same_file(const std::string& a, const std::string& b) const {
  if (fs::path(a).lexically_normal() == fs::path(b).lexically_normal()) return true;
  if (rules_.read_file) return false;
  std::error_code error;
  return fs::equivalent(a, b, error) && !error;
}

bool WritebackFiles::writable(const SyntaxTree& tree) const {
  const auto [known, fresh] = writable_.try_emplace(&tree);
  if (fresh) {
    const Source& source = *tree.source;
    known->second = source.is_file && !source.readonly &&
                    (rules_.writable ? rules_.writable(source.name) : replaceable(source.name));
  }
  return known->second;
}

size_t WritebackFiles::line_of(const SyntaxTree& tree, const Node& node) const {
  const std::string& text = tree.source->text;
  return 1 + static_cast<size_t>(
                 std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(node.span.begin), '\n'));
}

Result<TextBlock*> WritebackFiles::create_local(const Container& main) {
  if (local_created_) return &local_block_;
  if (!writable(*main.tree))
    return fail(Errc::denied, "Local_Changes_File {} is included nowhere, and {} is read-only", local_path_,
                main.tree->source->name);
  auto before = rules_.read_file ? rules_.read_file(local_path_) : read_file(local_path_);
  if (!before && before.error().code != Errc::not_found) return std::unexpected(std::move(before.error()));
  if (before) {
    auto source = std::make_shared<Source>(Source{local_path_, *before, true, false});
    const SyntaxTree tree = parse(source);
    if (!tree.nodes.empty() || has_errors(tree.diagnostics))
      return fail(
          Errc::conflict,
          "Local_Changes_File {} is there and says something, but nothing includes it: include it, or move it away",
          local_path_);
    local_exists_ = true;
    local_before_ = std::move(*before);
  }
  local_created_ = true;
  RawValue path;
  path.kind = RawValue::Kind::string;
  path.text = rules_.local_changes_file;
  edits(*main.tree).append_to(nullptr).last.push_back("include " + path.to_string());
  return &local_block_;
}

Result<std::vector<FileEdit>> WritebackFiles::finish(const ScopePtr& wanted) {
  std::vector<FileEdit> files;
  std::string local;
  if (local_created_) {
    local = local_exists_ ? local_before_ : std::string(local_header);
    if (!local.empty() && !local.ends_with('\n')) local += '\n';
    local += (local.empty() ? "" : "\n") + block_text(local_block_, {}, {});
    files.push_back({local_path_, local_before_, local, !local_exists_});
  }
  std::map<const SyntaxTree*, std::string> texts;
  for (const auto& tree : loaded_.trees) {
    const auto found = edits_.find(tree.get());
    if (found == edits_.end()) continue;
    std::string after = found->second.apply();
    if (after == tree->source->text) continue;
    files.push_back({tree->source->name, tree->source->text, after, false});
    texts.emplace(tree.get(), std::move(after));
  }
  auto again = read_again(texts, local);
  if (!again) return std::unexpected(std::move(again.error()));
  const Built built = build(*again);
  for (const Diagnostic& diagnostic : built.diagnostics)
    if (diagnostic.severity == Diagnostic::Severity::error)
      return fail(Errc::invalid, "the new text would have a mistake: {}", diagnostic.headline());
  if (const std::string text = difference(built.root, wanted); !text.empty())
    return fail(Errc::invalid, "the new text would not say what runs: {}", text);
  return files;
}

// The configuration with the new texts in it, as it will be loaded.
Result<Loaded> WritebackFiles::read_again(const std::map<const SyntaxTree*, std::string>& texts,
                                          const std::string& local) const {
  const auto read = [](const Source& old, const std::string& text) {
    return std::make_shared<const SyntaxTree>(
        parse(std::make_shared<const Source>(Source{old.name, text, old.is_file, old.readonly})));
  };
  Loaded again;
  std::map<const SyntaxTree*, std::shared_ptr<const SyntaxTree>> now;
  const auto take = [&](const std::shared_ptr<const SyntaxTree>& tree) {
    again.trees.push_back(tree);
    again.diagnostics.insert(again.diagnostics.end(), tree->diagnostics.begin(), tree->diagnostics.end());
  };
  for (const auto& tree : loaded_.trees) {
    const auto text = texts.find(tree.get());
    now[tree.get()] = text == texts.end() ? tree : read(*tree->source, text->second);
    take(now[tree.get()]);
  }
  std::shared_ptr<const SyntaxTree> local_tree;
  if (local_created_) {
    local_tree = read(Source{local_path_, {}, true, false}, local);
    take(local_tree);
  }
  for (const auto& tree : loaded_.trees) {
    const auto edited = edits_.find(tree.get());
    std::vector<const IncludeNode*> before, after;
    collect(tree->nodes, edited == edits_.end() ? nullptr : &edited->second, before);
    collect(now[tree.get()]->nodes, nullptr, after);
    const bool includes_local = local_created_ && tree == loaded_.trees.front();
    if (after.size() != before.size() + (includes_local ? 1 : 0))
      return fail(Errc::invalid, "the new text of {} would include other files", tree->source->name);
    for (size_t i = 0; i < before.size(); ++i) {
      const auto found = loaded_.includes.find(before[i]);
      if (found == loaded_.includes.end()) continue;
      for (const auto& included : found->second) again.includes[after[i]].push_back(now[included.get()]);
    }
    if (includes_local) again.includes[after.back()].push_back(local_tree);
  }
  return again;
}

}  // namespace impulse::config

// Writeback of any edit into any text: what comes out, read again, says what
// was wanted, and a second writeback has nothing left to do.
//   input = edits "\n" main.conf [ "\n----\n" f1.conf ]
// Each three bytes of edits are one: what to do, where, and with which option.
#include "config/writeback.h"
#include "base/text.h"
#include "config/engine.h"
#include "config/setting.h"
#include "kit.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace impulse;
using namespace impulse::config;

using fuzz::check;

using Texts = std::map<std::string, std::string>;

ReadFile reader(const Texts& texts) {
  return [&texts](const std::string& path) -> Result<std::string> {
    const auto found = texts.find(path);
    if (found == texts.end()) return fail(Errc::not_found, "{}: no such file", path);
    return found->second;
  };
}

Loaded read(const Texts& texts) { return load("main.conf", {{}, reader(texts)}); }

// The scope that a byte names: the n-th in order of declaration.
ScopePath path_at(const ScopePtr& root, size_t number) {
  std::vector<ScopePath> paths{{}};
  for (size_t i = 0; i < paths.size() && paths.size() <= number; ++i) {
    const ScopePath path = paths[i];
    find_scope(root, path)->each_child([&](const ScopePtr& child) {
      paths.push_back(path);
      paths.back().push_back({child->def().kind, child->instance()});
    });
  }
  return paths[number % paths.size()];
}

ScopePtr edit(const ScopePtr& root, uint8_t what, uint8_t where, uint8_t which) {
  ScopePath path = path_at(root, where);
  if (what % 8 == 7)
    return path.empty() ? root : edit_scope(root, path, {}, [](const ScopePtr&) { return ScopePtr(); });
  if (what % 8 == 6) {
    const auto& settings = find_scope(root, path)->settings();
    if (settings.empty()) return root;
    const OptionDef& option = *settings[which % settings.size()]->option;
    return edit_scope(root, path, {}, [&](const ScopePtr& scope) { return scope->without_setting(option); });
  }
  if (what % 8 == 5) {
    static constexpr std::pair<ScopeKind, std::string_view> children[] = {{ScopeKind::esmtp_listener, ""},
                                                                          {ScopeKind::listen, "*:25"},
                                                                          {ScopeKind::peer, "10.0.0.0/8"},
                                                                          {ScopeKind::domain, "a.example"}};
    const auto& [kind, instance] = children[which % std::size(children)];
    path.push_back({kind, std::string(instance)});
    if (!canonical_path(path)) return root;
    return edit_scope(root, path, {}, [](const ScopePtr& scope) { return scope; });
  }
  const OptionDef& option = options()[(where * 256U + which) % options().size()];
  static constexpr std::string_view values[] = {"1", "on", "\"a b\"", "( ::1 )", "[ a = b ]", "x.example", "'\\\"#'"};
  auto source =
      std::make_shared<const Source>(Source{"fuzz", std::string(values[what % std::size(values)]), false, false});
  const ParsedValue value = parse_value(source);
  const ScopeKind kind = path.empty() ? ScopeKind::global : path.back().kind;
  const CheckedSetting checked = check_setting(kind, option.name, {1, 1}, *value.value, source, true);
  if (!checked.setting) return root;
  return edit_scope(root, path, {}, [&](const ScopePtr& scope) { return scope->with_setting(checked.setting); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t line = all.find('\n');
  if (line == std::string_view::npos) return 0;
  static constexpr std::string_view cut = "\n----\n";
  const std::string_view rest = all.substr(line + 1);
  const size_t second = rest.find(cut);
  Texts texts{{"main.conf", std::string(rest.substr(0, second))}};
  if (second != std::string_view::npos) texts["f1.conf"] = rest.substr(second + cut.size());

  const Loaded loaded = read(texts);
  const Built built = build(loaded);
  if (has_errors(built.diagnostics)) return 0;
  const std::string whole = write_config(built.root);
  const Texts alone{{"main.conf", whole}};
  const Built again = build(read(alone));
  check(!has_errors(again.diagnostics) && diff(again.root, built.root).empty(), "written anew it says something else");

  ScopePtr wanted = built.root;
  for (size_t i = 0; i + 3 <= line && i < 30; i += 3) wanted = edit(wanted, data[i], data[i + 1], data[i + 2]);
  WritebackRules rules;
  rules.writable = [&](const std::string& path) { return size % 4 != 0 || path == "main.conf"; };
  rules.read_file = reader(texts);
  if (size % 3 == 0) rules.local_changes_file = size % 2 == 0 ? "local.conf" : "f1.conf";
  const auto plan = plan_writeback(loaded, wanted, rules);
  if (!plan) {
    // Nothing but what the rules forbid may be in the way.
    check(plan.error().code == Errc::denied || plan.error().code == Errc::conflict, plan.error().message);
    return 0;
  }
  for (const FileEdit& file : plan->files) texts[file.path] = file.after;
  const Loaded reloaded = read(texts);
  const Built after = build(reloaded);
  check(!has_errors(after.diagnostics), "what was written has mistakes");
  check(diff(after.root, wanted).empty(), "what was written says something else");
  const auto more = plan_writeback(reloaded, wanted, rules);
  check(more && more->files.empty(), "there was something left to write");
  return 0;
}

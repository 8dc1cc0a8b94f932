// Writes only what has been read again and found to say what runs.
#include "config/save.h"

#include "base/files.h"
#include "config/diagnostic_ids.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

namespace impulse::config {
namespace {

WritebackReport refused(Errc code, std::string error) {
  WritebackReport report;
  report.code = code;
  report.error = std::move(error);
  return report;
}

WritebackReport refused(Error error) { return refused(error.code, std::move(error.message)); }

std::string first_error(const Diagnostics& diagnostics) {
  for (const Diagnostic& diagnostic : diagnostics)
    if (diagnostic.severity == Diagnostic::Severity::error) return diagnostic.headline();
  return {};
}

// A file that does not say any more what was read; empty: there is none.
std::string changed_since(const Sources& read, const Sources& now) {
  for (size_t i = 0; i < std::max(read.size(), now.size()); ++i) {
    if (i >= now.size()) return read[i]->name;
    if (i >= read.size() || read[i]->name != now[i]->name || read[i]->text != now[i]->text) return now[i]->name;
  }
  return {};
}

// Why a file could not be read, which says nothing of what is in it; empty: all were.
std::string unread(const Diagnostics& diagnostics) {
  for (const Diagnostic& diagnostic : diagnostics)
    if (diagnostic.id == id::unreadable || diagnostic.id == id::include_unreadable) return diagnostic.headline();
  return {};
}

WritebackReport changed(const std::string& path) {
  return refused(
      Errc::conflict,
      fmt::format("{} has changed since it was read: 'config drift' shows how, 'config reload' takes it", path));
}

WritebackReport write(WritebackPlan plan) {
  WritebackReport report;
  if (const auto written = write_files(plan.files); !written) return refused(written.error());
  report.ok = true;
  for (FileEdit& edit : plan.files) report.files.push_back(std::move(edit.path));
  report.notes = std::move(plan.notes);
  return report;
}

// The file of that name among those that were read, whatever name it had there; null: none.
const Source* found_in(const Sources& read, const std::string& path) {
  for (const auto& source : read) {
    std::error_code error;
    if (source->name == path || (std::filesystem::equivalent(source->name, path, error) && !error)) return source.get();
  }
  return nullptr;
}

// What would not be so when the main file is read with `edit` done; empty: it says what runs.
std::string would_break(const SaveRequest& request, const FileEdit& edit, const Source& included) {
  LoadOptions load = request.load;
  load.read_file = [&](const std::string& wanted) -> Result<std::string> {
    if (wanted == included.name) return edit.after;
    for (const auto& source : request.read)
      if (source->name == wanted) return source->text;
    return request.load.read_file ? request.load.read_file(wanted) : read_file(wanted);
  };
  const Built built = build(config::load(request.file, load));
  if (std::string wrong = first_error(built.diagnostics); !wrong.empty() || !built.root) return wrong;
  const std::vector<Change> changes = diff(request.running, built.root);
  return changes.empty() ? std::string() : changes.front().to_string();
}

Built build_text(const std::string& path, const std::string& text) {
  LoadOptions options;
  options.read_file = [&](const std::string& wanted) -> Result<std::string> {
    if (wanted == path) return text;
    return fail(Errc::not_found, "{}: not looked at", wanted);
  };
  return build(config::load(path, options));
}

}  // namespace

Sources sources_of(const Loaded& loaded) {
  Sources sources;
  for (const auto& tree : loaded.trees) sources.push_back(tree->source);
  return sources;
}

std::string beside(const std::string& file, const std::string& path) {
  return (std::filesystem::path(file).parent_path() / path).string();
}

WritebackReport save(const SaveRequest& request) {
  const Loaded loaded = config::load(request.file, request.load);
  if (std::string why = unread(loaded.diagnostics); !why.empty()) return refused(Errc::io, std::move(why));
  if (std::string path = changed_since(request.read, sources_of(loaded)); !path.empty()) return changed(path);
  auto plan = plan_writeback(loaded, request.running, request.rules);
  if (!plan) return refused(std::move(plan.error()));
  return write(std::move(*plan));
}

WritebackReport save_as(const SaveRequest& request, const std::string& path) {
  FileEdit edit{beside(request.file, path), {}, write_config(request.running), false};
  const Built again = build_text(edit.path, edit.after);
  std::string wrong = first_error(again.diagnostics);
  if (wrong.empty() && again.root) {
    const std::vector<Change> changes = diff(request.running, again.root);
    if (!changes.empty()) wrong = changes.front().to_string();
  }
  if (!wrong.empty() || !again.root)
    return refused(Errc::invalid, fmt::format("the text would not say what runs, nothing was written: {}", wrong));

  auto there = request.load.read_file ? request.load.read_file(edit.path) : read_file(edit.path);
  if (!there && there.error().code != Errc::not_found) return refused(std::move(there.error()));
  edit.created = !there;
  if (there) {
    edit.before = std::move(*there);
    const Source* known = found_in(request.read, edit.path);
    if (known && known->text != edit.before) return changed(edit.path);
    if (known && known->readonly) return refused(Errc::denied, fmt::format("{} is included read-only", edit.path));
    if (known && known != request.read.front().get()) {
      const std::string broken = would_break(request, edit, *known);
      if (!broken.empty())
        return refused(Errc::exists, fmt::format("{} is a part of the configuration, and all of it written there "
                                                 "would change what the files say: {}",
                                                 edit.path, broken));
    }
    Source text;
    text.name = edit.path;
    text.text = edit.before;
    if (has_errors(parse(std::make_shared<const Source>(std::move(text))).diagnostics))
      return refused(Errc::exists, fmt::format("{} is there already, and is no configuration", edit.path));
  }
  WritebackPlan plan;
  plan.files.push_back(std::move(edit));
  return write(std::move(plan));
}

}  // namespace impulse::config

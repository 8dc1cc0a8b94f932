// Follows includes. Each file is read and parsed once, however often it is
// included; what stands where is in Loaded::includes.
#include "config/loader.h"

#include "base/files.h"
#include "base/text.h"
#include "config/diagnostic_ids.h"
#include "config/diagnostic_sink.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <unordered_map>
#include <utility>

namespace impulse::config {

namespace {

namespace fs = std::filesystem;

// Includes within includes.
constexpr size_t max_include_depth = 100;
// What all inclusions may add up to, a file counting as often as it is
// included: ten files that include the next one ten times must not become 10^10.
constexpr uint64_t max_inclusions = 100'000;
constexpr uint64_t max_included_bytes = uint64_t{1} << 30;

struct File {
  std::shared_ptr<Source> source;  // still ours: read-only may be found out later
  std::shared_ptr<const SyntaxTree> tree;
  std::vector<File*> children;  // as often as they are included
  size_t inclusions = 0;
  bool open = false;         // its includes are being followed: an include of it is a cycle
  bool marked = false;       // by mark_twice
  uint64_t total_files = 0;  // with all that it includes; 0: not yet counted
  uint64_t total_bytes = 0;
};

struct Found {
  std::string path;
  std::string identity;  // one for all names of a file
};

std::string join(const std::string& folder, const std::string& name) {
  if (folder.empty()) return name;
  return folder.ends_with('/') ? folder + name : folder + '/' + name;
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash + 1);
}

class Loading {
 public:
  explicit Loading(const LoadOptions& options) : options_(options) {}

  Loaded run(const std::string& path);

 private:
  Result<std::string> read(const std::string& path) const;
  std::string identity(const std::string& path) const;
  // The files that `path` stands for; not_found when there is nothing of that name.
  Result<std::vector<Found>> files_at(const std::string& path) const;

  File& add(const Found& found, std::string text, bool readonly);
  void follow(File& file);
  void follow(File& file, const std::vector<Node>& nodes);
  void follow(File& file, const IncludeNode& include);
  // `text`, when it was read already.
  void enter(File& file, const IncludeNode& include, const Found& found, std::optional<std::string> text,
             std::vector<std::shared_ptr<const SyntaxTree>>& trees);
  void report(const File& file, const IncludeNode& include, std::string_view id, std::string message,
              std::string hint = {});
  void append(Diagnostics diagnostics);
  void count(File& file);
  static void mark_twice(File& file);

  const LoadOptions& options_;
  Loaded loaded_;
  std::unordered_map<std::string, File> files_;  // by identity; references to elements stay valid
  struct Frame {
    File* file;
    Origin from;  // the include statement; no source for the main file
  };
  std::vector<Frame> stack_;
  size_t errors_ = 0;
  size_t errors_left_out_ = 0;
};

Result<std::string> Loading::read(const std::string& path) const {
  return options_.read_file ? options_.read_file(path) : read_file(path);
}

std::string Loading::identity(const std::string& path) const {
  if (options_.read_file) return fs::path(path).lexically_normal().string();
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  return error ? path : real.string();
}

Result<std::vector<Found>> Loading::files_at(const std::string& path) const {
  const Found itself{path, identity(path)};
  if (options_.read_file) return std::vector{itself};
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return fail_errno(errno == ENOTDIR ? ENOENT : errno, path);
  if (!S_ISDIR(status.st_mode)) return std::vector{itself};

  std::error_code error;
  std::vector<std::string> names;
  fs::directory_iterator entries(path, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    std::string name = entries->path().filename().string();
    std::error_code unimportant;
    const fs::file_type type = entries->status(unimportant).type();
    // A link that leads nowhere is taken, so that it is reported.
    if (!name.starts_with('.') && (type == fs::file_type::regular || type == fs::file_type::not_found))
      names.push_back(std::move(name));
  }
  if (error) return fail_errno(error.value(), path);
  std::sort(names.begin(), names.end());
  std::vector<Found> found;
  for (const std::string& name : names) {
    const std::string file = join(path, name);
    found.push_back({file, identity(file)});
  }
  return found;
}

File& Loading::add(const Found& found, std::string text, bool readonly) {
  File& file = files_[found.identity];
  file.source = std::make_shared<Source>(Source{found.path, std::move(text), true, readonly});
  SyntaxTree tree = parse(file.source);
  Diagnostics diagnostics = std::move(tree.diagnostics);
  tree.diagnostics = diagnostics;
  file.tree = std::make_shared<SyntaxTree>(std::move(tree));
  loaded_.trees.push_back(file.tree);
  append(std::move(diagnostics));
  return file;
}

void Loading::follow(File& file) {
  file.open = true;
  follow(file, file.tree->nodes);
  file.open = false;
}

void Loading::follow(File& file, const std::vector<Node>& nodes) {
  for (const Node& node : nodes) {
    if (const auto* include = node.get_if<IncludeNode>())
      follow(file, *include);
    else if (const auto* scope = node.get_if<ScopeNode>())
      follow(file, scope->body);
  }
}

void Loading::follow(File& file, const IncludeNode& include) {
  auto& trees = loaded_.includes[&include];
  std::string path = include.path;
  if (path.starts_with("file://")) {
    path.erase(0, 7);
  } else if (const size_t colon = path.find("://"); colon != std::string::npos && colon < path.find('/')) {
    report(file, include, id::include_scheme,
           fmt::format("cannot include {}: only files can be included", shown(path)));
    return;
  }
  std::vector<std::string> places;
  if (path.starts_with('/')) {
    places.push_back(path);
  } else {
    places.push_back(join(folder_of(file.source->name), path));
    for (const std::string& folder : options_.search_path) places.push_back(join(folder.empty() ? "." : folder, path));
  }
  for (const std::string& place : places) {
    auto found = files_at(place);
    if (!found) {
      if (found.error().code == Errc::not_found) continue;
      report(file, include, id::include_unreadable, fmt::format("cannot include {}", found.error().message));
      return;
    }
    std::optional<std::string> text;
    if (options_.read_file && !files_.contains(found->front().identity)) {
      // Only by reading does it show whether there is such a file.
      auto got = read(place);
      if (!got && got.error().code == Errc::not_found) continue;
      if (got) text = std::move(*got);
    }
    for (const Found& one : *found) enter(file, include, one, std::exchange(text, std::nullopt), trees);
    return;
  }
  std::string hint = "looked for ";
  for (size_t i = 0; i < places.size() && i < 16; ++i) hint += (i == 0 ? "" : ", ") + escape_line(places[i], 256);
  report(file, include, id::include_missing, fmt::format("no such file or directory: {}", shown(include.path)),
         std::move(hint));
}

void Loading::enter(File& file, const IncludeNode& include, const Found& found, std::optional<std::string> text,
                    std::vector<std::shared_ptr<const SyntaxTree>>& trees) {
  File* known = nullptr;
  if (const auto at = files_.find(found.identity); at != files_.end()) known = &at->second;
  if (known != nullptr && known->open) {
    std::string chain;
    bool within = false;
    for (const Frame& frame : stack_) {
      within = within || frame.file == known;
      if (within) chain += escape_line(frame.file->source->name, 256) + " -> ";
    }
    report(file, include, id::include_cycle, "include cycle: " + chain + escape_line(found.path, 256));
    return;
  }
  const Origin from{file.source, include.place};
  if (known == nullptr) {
    if (stack_.size() > max_include_depth) {
      report(file, include, id::nesting, fmt::format("includes are nested deeper than {} levels", max_include_depth));
      return;
    }
    if (!text) {
      auto got = read(found.path);
      if (!got) {
        report(file, include, id::include_unreadable, fmt::format("cannot include {}", got.error().message));
        return;
      }
      text = std::move(*got);
    }
    stack_.push_back({nullptr, from});
    known = &add(found, std::move(*text), include.readonly);
    stack_.back().file = known;
    follow(*known);
    stack_.pop_back();
  }
  if (include.readonly) known->source->readonly = true;
  ++known->inclusions;
  file.children.push_back(known);
  trees.push_back(known->tree);
}

void Loading::report(const File& file, const IncludeNode& include, std::string_view id, std::string message,
                     std::string hint) {
  Diagnostic diagnostic;
  diagnostic.id = id;
  diagnostic.origin = {file.source, include.place};
  diagnostic.length = include.readonly ? sizeof "readonly_include" - 1 : sizeof "include" - 1;
  diagnostic.message = std::move(message);
  diagnostic.hint = std::move(hint);
  append({std::move(diagnostic)});
}

void Loading::append(Diagnostics diagnostics) {
  for (Diagnostic& diagnostic : diagnostics) {
    if (diagnostic.severity == Diagnostic::Severity::error && ++errors_ > DiagnosticSink::limit + 1) {
      ++errors_left_out_;
      continue;
    }
    for (auto frame = stack_.rbegin(); frame != stack_.rend() && frame->from.source; ++frame)
      diagnostic.include_stack.push_back(frame->from);
    loaded_.diagnostics.push_back(std::move(diagnostic));
  }
}

// Children before their parents, each file once; there are no cycles among them.
void Loading::count(File& file) {
  if (file.total_files != 0) return;
  uint64_t files = 1;
  uint64_t bytes = file.source->text.size();
  for (File* child : file.children) {
    count(*child);
    files = std::min(files + child->total_files, max_inclusions + 1);
    bytes = std::min(bytes + child->total_bytes, max_included_bytes + 1);
  }
  file.total_files = files;
  file.total_bytes = bytes;
}

// What a file included twice includes is included twice as well.
void Loading::mark_twice(File& file) {
  if (file.marked) return;
  file.marked = file.source->readonly = true;
  for (File* child : file.children) mark_twice(*child);
}

Loaded Loading::run(const std::string& path) {
  const Found main{path, identity(path)};
  auto text = read(path);
  if (!text) {
    auto source = std::make_shared<const Source>(Source{path, {}, true, false});
    Diagnostic diagnostic;
    diagnostic.id = id::unreadable;
    diagnostic.message = fmt::format("cannot read the configuration: {}", text.error().message);
    loaded_.diagnostics.push_back(std::move(diagnostic));
    loaded_.trees.push_back(std::make_shared<SyntaxTree>(SyntaxTree{std::move(source), {}, {}}));
    return std::move(loaded_);
  }
  stack_.push_back({nullptr, {}});
  File& file = add(main, std::move(*text), false);
  stack_.back().file = &file;
  follow(file);
  stack_.pop_back();

  for (auto& [identity, one] : files_)
    if (one.inclusions > 1) mark_twice(one);
  count(file);
  if (file.total_files > max_inclusions || file.total_bytes > max_included_bytes) {
    Diagnostic diagnostic;
    diagnostic.id = id::include_limit;
    diagnostic.origin = {file.source, {}};
    diagnostic.message =
        fmt::format("all includes together are more than {} files or {} bytes", max_inclusions, max_included_bytes);
    loaded_.diagnostics.push_back(std::move(diagnostic));
    for (auto& [include, trees] : loaded_.includes) trees.clear();
  }
  if (errors_left_out_ > 0) {
    Diagnostic diagnostic;
    diagnostic.id = id::too_many;
    diagnostic.origin = {file.source, {}};
    diagnostic.message = fmt::format("and {} more errors in included files", errors_left_out_);
    loaded_.diagnostics.push_back(std::move(diagnostic));
  }
  return std::move(loaded_);
}

}  // namespace

Loaded load(const std::string& path, const LoadOptions& options) { return Loading(options).run(path); }

}  // namespace impulse::config

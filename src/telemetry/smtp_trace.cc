#include "telemetry/smtp_trace.h"

#include "base/text.h"
#include "telemetry/line_writer.h"
#include "telemetry/log_text.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

namespace impulse::telemetry {

namespace {

constexpr size_t longest_line = 2048;  // of what was said; more is cut

}  // namespace

// A tracer and its file.
class SmtpTracers::Sheet {
 public:
  Sheet(uint64_t id, TraceSpec spec, std::unique_ptr<LineWriter> file)
      : id_(id), spec_(std::move(spec)), file_(std::move(file)) {}

  const TraceSpec& spec() const { return spec_; }
  uint64_t id() const { return id_; }
  Tracer row() const { return {id_, spec_, std::min(bytes_.load(), spec_.limit), bytes_.load() > spec_.limit}; }
  void close() { closed_ = true; }

  void append(std::string_view lines) {
    if (closed_.load(std::memory_order_relaxed)) return;
    const uint64_t before = bytes_.fetch_add(lines.size());
    if (before + lines.size() <= spec_.limit)
      file_->append(lines);
    else if (before <= spec_.limit)
      file_->append(fmt::format("{} * the limit of {} bytes is reached\n", time_text(wall_now()), spec_.limit));
  }

 private:
  const uint64_t id_;
  const TraceSpec spec_;
  const std::unique_ptr<LineWriter> file_;
  std::atomic<uint64_t> bytes_{0};
  std::atomic<bool> closed_{false};
};

// One session in the files of all tracers that want it.
class SmtpTracers::Multiple final : public SessionTrace {
 public:
  Multiple(std::string label, std::vector<std::shared_ptr<Sheet>> sheets)
      : label_(std::move(label)), sheets_(std::move(sheets)) {}

  void sent(std::string_view lines) override { write('>', lines); }
  void received(std::string_view lines) override { write('<', lines); }
  void note(std::string_view text) override { write('*', text); }

 private:
  void write(char sign, std::string_view lines) {
    const std::string time = time_text(wall_now());
    std::string out;
    while (!lines.empty()) {
      const size_t end = lines.find('\n');
      std::string_view line = lines.substr(0, end);
      lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
      if (line.ends_with('\r')) line.remove_suffix(1);
      fmt::format_to(std::back_inserter(out), "{} {} {} {}\n", time, label_, sign, escape_line(line, longest_line));
    }
    for (const auto& sheet : sheets_) sheet->append(out);
  }

  const std::string label_;
  const std::vector<std::shared_ptr<Sheet>> sheets_;
};

SmtpTracers::SmtpTracers() = default;
SmtpTracers::~SmtpTracers() = default;

Result<uint64_t> SmtpTracers::add(TraceSpec spec) {
  if (!spec.file.starts_with('/')) return fail(Errc::invalid, "{}: the path of a trace has to be absolute", spec.file);
  struct stat status{};
  if (::lstat(spec.file.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    return fail(Errc::exists, "{}: is there already, and is no regular file", spec.file);
  const std::lock_guard lock(mutex_);
  if (sheets_.size() >= most) return fail(Errc::no_space, "there are {} traces already", sheets_.size());
  LineWriter::Options options;
  options.bound = size_t{4} << 20;
  options.name = "trace";
  options.loss = [](uint64_t lines) { return fmt::format("* {} lines were lost\n", lines); };
  // What was looked at above may be another file by now, in a folder that others may write.
  UniqueFd file(
      ::open(spec.file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK, 0640));
  if (!file) return fail_errno(errno, fmt::format("cannot open {}", spec.file));
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))
    return fail(Errc::exists, "{}: is no regular file", spec.file);
  auto writer = LineWriter::over(std::move(file), std::move(options));
  sheets_.push_back(std::make_shared<Sheet>(++last_id_, std::move(spec), std::move(writer)));
  any_ = true;
  return last_id_;
}

bool SmtpTracers::remove(uint64_t id) {
  std::shared_ptr<Sheet> gone;  // its file is closed outside of the lock, by whoever is last
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(sheets_.begin(), sheets_.end(), [&](const auto& sheet) { return sheet->id() == id; });
  if (found == sheets_.end()) return false;
  (*found)->close();
  gone = std::move(*found);
  sheets_.erase(found);
  any_ = !sheets_.empty();
  return true;
}

std::vector<Tracer> SmtpTracers::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<Tracer> rows;
  for (const auto& sheet : sheets_) rows.push_back(sheet->row());
  return rows;
}

template <class Wanted>
SessionTracePtr SmtpTracers::gather(const std::string& label, Wanted wanted) const {
  std::vector<std::shared_ptr<Sheet>> found;
  const std::lock_guard lock(mutex_);
  for (const auto& sheet : sheets_)
    if (wanted(sheet->spec())) found.push_back(sheet);
  if (found.empty()) return nullptr;
  return std::make_shared<Multiple>(label, std::move(found));
}

SessionTracePtr SmtpTracers::inbound(const IpAddress& client, const std::string& label) const {
  if (!any()) return nullptr;
  return gather(label,
                [&](const TraceSpec& spec) { return spec.inbound && (spec.anybody || spec.clients.contains(client)); });
}

SessionTracePtr SmtpTracers::outbound(std::string_view binding, std::string_view domain,
                                      const std::string& label) const {
  if (!any()) return nullptr;
  return gather(label, [&](const TraceSpec& spec) {
    return !spec.inbound && (spec.binding == "*" || iequals(spec.binding, binding)) &&
           (spec.domain == "*" || iequals(spec.domain, domain));
  });
}

}  // namespace impulse::telemetry

#include "base/fd.h"
#include "base/text.h"
#include "console/inject/maildir.h"
#include "console/inject/source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

namespace impulse::ecinject {

namespace {

constexpr uint64_t keep_limit = uint64_t{256} << 20;  // more is read anew each time
constexpr uint64_t file_limit = uint64_t{1} << 32;    // of a file that is read whole
constexpr std::string_view standard_input = "-";

std::unexpected<Failure> no_input(std::string_view place, std::string_view why) {
  return fail_with(EX_NOINPUT, fmt::format("{}: {}", escape_line(place), why));
}

// Bytes of a file; `size` none: up to its end.
Outcome<std::string> read_part(const std::string& path, uint64_t from, std::optional<uint64_t> size) {
  UniqueFd own;
  int fd = STDIN_FILENO;
  if (path != standard_input) {
    own.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!own) return no_input(path, errno_text(errno));
    fd = own.get();
    struct stat about{};
    if (::fstat(fd, &about) == 0 && S_ISDIR(about.st_mode))
      return no_input(path, "a folder; --maildir sends what is in a Maildir");
  }
  if (from != 0 && ::lseek(fd, static_cast<off_t>(from), SEEK_SET) < 0) return no_input(path, errno_text(errno));
  std::string bytes;
  const uint64_t most = size.value_or(file_limit + 1);
  while (bytes.size() < most) {
    const size_t had = bytes.size();
    const size_t step = static_cast<size_t>(std::min<uint64_t>(most - had, std::max<size_t>(had, 65536)));
    bytes.resize(had + step);
    ssize_t got = 0;
    do got = ::read(fd, bytes.data() + had, step);
    while (got < 0 && errno == EINTR);
    bytes.resize(had + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0) return no_input(path, errno_text(errno));
    if (got == 0) break;
  }
  if (bytes.size() > file_limit) return no_input(path, "over 4 GiB");
  if (size && bytes.size() != *size) return no_input(path, "was changed while it was being sent");
  return bytes;
}

Text text_of(std::string_view bytes, Quoting quoting) {
  Text text;
  text.bytes = unquoted(bytes, quoting);
  text.eight_bit = !is_ascii(text.bytes);
  text.utf8 = text.bytes.find('\0') == std::string::npos && (!text.eight_bit || is_utf8(text.bytes));
  text.dots = text.bytes.starts_with('.') || text.bytes.find("\n.") != std::string::npos;
  return text;
}

}  // namespace

Outcome<std::unique_ptr<StoredSource>> StoredSource::open(EnvelopeRules rules, const Places& places,
                                                          std::string_view need_utf8) {
  auto made = std::make_unique<StoredSource>(std::move(rules));
  made->need_utf8_ = need_utf8;
  Outcome<> done;
  for (const std::string& path : places.files)
    if (done = made->add_file(path); !done) return std::unexpected(done.error());
  for (const std::string& path : places.mboxes)
    if (done = made->add_mbox(path, places.quoting); !done) return std::unexpected(done.error());
  for (const std::string& path : places.maildirs) {
    const auto names = list_maildir(path);
    if (!names) return fail_with(EX_NOINPUT, names.error().message);
    for (const std::string& name : *names)
      if (done = made->add_file(name); !done) return std::unexpected(done.error());
  }
  return made;
}

Outcome<> StoredSource::add_file(const std::string& path) {
  auto bytes = read_part(path, 0, std::nullopt);
  if (!bytes) return std::unexpected(bytes.error());
  paths_.push_back(path);
  return add(*bytes, {paths_.size() - 1, 0, bytes->size(), Quoting::none, nullptr}, path);
}

Outcome<> StoredSource::add_mbox(const std::string& path, Quoting quoting) {
  auto bytes = read_part(path, 0, std::nullopt);
  if (!bytes) return std::unexpected(bytes.error());
  const auto pieces = split_mbox(*bytes, quoting);
  if (!pieces) return no_input(path, pieces.error().message);
  paths_.push_back(path);
  items_.reserve(items_.size() + pieces->size());
  for (size_t i = 0; i < pieces->size(); ++i) {
    const Piece& piece = (*pieces)[i];
    const Item item{paths_.size() - 1, piece.from, piece.size, quoting, nullptr};
    const std::string_view part = std::string_view(*bytes).substr(piece.from, piece.size);
    if (auto done = add(part, item, fmt::format("{}, message {}", path, i + 1)); !done) return done;
  }
  return {};
}

Outcome<> StoredSource::add(std::string_view bytes, Item item, std::string_view place) {
  if (bytes.empty()) return no_input(place, "is empty");
  Text text = text_of(bytes, item.quoting);
  if (!text.utf8 && !need_utf8_.empty()) return no_input(place, fmt::format("is not UTF-8; {}", need_utf8_));
  eight_bit_ |= text.eight_bit;
  if (paths_[item.path] == standard_input || kept_ + text.bytes.size() <= keep_limit) {
    kept_ += text.bytes.size();
    item.text = std::make_shared<const Text>(std::move(text));
  }
  items_.push_back(std::move(item));
  return {};
}

Outcome<> StoredSource::fill_content(Random&, Mail& mail) {
  const Item& item = items_[static_cast<size_t>(mail.index % items_.size())];
  mail.stored = item.text;
  if (mail.stored) return {};
  auto bytes = read_part(paths_[item.path], item.from, item.size);
  if (!bytes) return std::unexpected(bytes.error());
  Text text = text_of(*bytes, item.quoting);
  if (!text.utf8 && !need_utf8_.empty()) return no_input(paths_[item.path], "was changed while it was being sent");
  mail.stored = std::make_shared<const Text>(std::move(text));
  return {};
}

}  // namespace impulse::ecinject

// tmp, fsync, link, fsync.
#include "delivery/maildir.h"

#include "base/fd.h"
#include "base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace impulse::delivery {
namespace {

constexpr mode_t folder_mode = 0700;
constexpr mode_t file_mode = 0600;

bool is_directory(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

// The folder and its three, and their names and those of the folders above made durable.
Result<> make_maildir(DurableNames& names, const std::string& folder) {
  bool there = true;
  for (const char* name : {"/tmp", "/new", "/cur"}) there = there && is_directory(folder + name);
  if (there && names.knows(folder)) return {};
  for (const char* name : {"/tmp", "/new", "/cur"}) {
    if (auto made = make_directories(folder + name, folder_mode); !made) return made;
  }
  if (auto synced = sync_directory(folder); !synced) return synced;
  return names.ensure(folder);
}

// Collects small pieces, so that a message is few writes.
class Writer {
 public:
  explicit Writer(int fd) : fd_(fd) {}

  Result<> put(std::string_view bytes) {
    while (!bytes.empty()) {
      const size_t take = std::min(bytes.size(), block_.size() - used_);
      std::memcpy(block_.data() + used_, bytes.data(), take);
      used_ += take;
      bytes.remove_prefix(take);
      if (used_ < block_.size()) break;
      if (auto written = flush(); !written) return written;
    }
    return {};
  }

  // CR LF becomes LF; one pair may be split between two calls.
  Result<> put_lines(std::string_view text) {
    if (text.empty()) return {};
    if (std::exchange(after_cr_, false) && text.front() != '\n')
      if (auto written = put("\r"); !written) return written;
    if (text.ends_with('\r')) {
      after_cr_ = true;
      text.remove_suffix(1);
    }
    while (!text.empty()) {
      const size_t pair = text.find("\r\n");
      if (auto written = put(text.substr(0, pair)); !written) return written;
      if (pair == std::string_view::npos) return {};
      if (auto written = put("\n"); !written) return written;
      text.remove_prefix(pair + 2);
    }
    return {};
  }

  // The last call.
  Result<> finish() {
    if (std::exchange(after_cr_, false))
      if (auto written = put("\r"); !written) return written;
    return flush();
  }

 private:
  Result<> flush() {
    auto written = write_all(fd_, std::string_view(block_.data(), used_));
    used_ = 0;
    return written;
  }

  int fd_;
  size_t used_ = 0;
  bool after_cr_ = false;  // it was not written yet
  std::array<char, 65536> block_;
};

// The field stays one line, whatever door the sender came by.
std::string return_path(std::string_view sender) {
  std::string line(sender);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7F; }, '?');
  return fmt::format("Return-Path: <{}>\n", line);
}

Result<> write_mail(int fd, const MaildirMail& mail) {
  Writer writer(fd);
  if (auto w = writer.put(return_path(mail.sender)); !w) return w;
  if (auto w = writer.put_lines(mail.trace); !w) return w;
  if (auto w = writer.put_lines(mail.body); !w) return w;
  if (mail.rest != nullptr) {
    const auto reader = mail.rest->reader();
    for (;;) {
      const auto piece = reader->next();
      if (!piece) return std::unexpected(piece.error());
      if (piece->empty()) break;
      if (auto w = writer.put_lines(*piece); !w) return w;
    }
  }
  if (auto w = writer.finish(); !w) return w;
  if (::fsync(fd) != 0) return fail_errno(errno, "fsync");
  return {};
}

// link() never replaces a file; where a file system has no links, rename()
// does, and the name is unique.
Result<> publish(const std::string& from, const std::string& to) {
  if (::link(from.c_str(), to.c_str()) == 0) {
    ::unlink(from.c_str());
    return {};
  }
  if (errno != EPERM && errno != EOPNOTSUPP && errno != EMLINK) return fail_errno(errno, to);
  if (::rename(from.c_str(), to.c_str()) != 0) return fail_errno(errno, to);
  return {};
}

std::string file_name(const MaildirMail& mail, std::string_view host, uint64_t serial, WallTime now) {
  const auto since = now.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
  std::string safe_host;
  for (const char c : host) safe_host += c == '/' || c == ':' || static_cast<unsigned char>(c) <= ' ' ? '-' : c;
  return fmt::format("{}.M{}P{}Q{}_{:08X}{:08X}.{}", seconds.count(), (since - seconds).count(), ::getpid(), serial,
                     mail.id.segment, mail.id.offset, safe_host.empty() ? "localhost" : safe_host);
}

}  // namespace

Result<std::string> deliver_to_maildir(DurableNames& names, const std::string& folder, const MaildirMail& mail,
                                       std::string_view host, uint64_t serial, WallTime now) {
  if (auto made = make_maildir(names, folder); !made) return std::unexpected(made.error());
  const std::string name = file_name(mail, host, serial, now);
  const std::string temporary = folder + "/tmp/" + name;
  const std::string final = folder + "/new/" + name;
  const UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, file_mode));
  if (!fd) return fail_errno(errno, temporary);
  auto result = write_mail(fd.get(), mail);
  if (result) result = publish(temporary, final);
  if (!result) {
    ::unlink(temporary.c_str());
    return std::unexpected(result.error());
  }
  // Not durable yet: better not there at all than there and tried again.
  if (auto synced = sync_directory(folder + "/new"); !synced) {
    ::unlink(final.c_str());
    return std::unexpected(synced.error());
  }
  return final;
}

}  // namespace impulse::delivery

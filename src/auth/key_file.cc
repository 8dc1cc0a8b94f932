#include "auth/key_file.h"

#include "auth/password.h"

#include <algorithm>

namespace impulse::auth {

namespace {

constexpr size_t id_length = 12;      // of 36 characters: 62 bits, enough to tell keys apart
constexpr size_t secret_length = 43;  // of 62 characters: 256 bits
constexpr std::string_view alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

// Each character as likely as any other.
std::string random_text(size_t length, size_t characters) {
  const size_t fair = 256 / characters * characters;
  std::string text;
  while (text.size() < length) {
    for (const char c : random_bytes(length)) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < fair && text.size() < length) text += alphabet[byte % characters];
    }
  }
  return text;
}

std::string line_of(const KeyEntry& entry, std::string_view hash) {
  return fmt::format("{}:{}:{}:{}:{}:{}:{}\n", entry.id, hash, entry.user, entry.tenant, entry.rights.to_string(),
                     entry.expires ? format_expiry(*entry.expires) : std::string(), entry.label);
}

// With its line end, where it has one.
std::string_view take_line(std::string_view& text) {
  const size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end == std::string_view::npos ? end : end + 1);
  text.remove_prefix(line.size());
  return line;
}

}  // namespace

Result<KeyFile> KeyFile::parse(std::string_view text) {
  std::vector<BadLine> bad;
  Keys::parse(text, bad);
  if (!bad.empty()) return fail(Errc::invalid, "line {}: {}", bad.front().line, bad.front().why);
  return KeyFile(text);
}

std::vector<KeyEntry> KeyFile::keys() const {
  std::vector<BadLine> bad;
  return Keys::parse(text_, bad)->all();
}

Result<KeyFile::Made> KeyFile::add(const NewKey& key) {
  if (key.rights.empty()) return fail(Errc::invalid, "a key needs a right");
  Made made;
  std::vector<BadLine> bad;
  const auto there = Keys::parse(text_, bad)->all();
  do {
    made.id = random_text(id_length, 36);
  } while (std::ranges::any_of(there, [&](const KeyEntry& entry) { return entry.id == made.id; }));
  made.presented = fmt::format("{}{}_{}", key_prefix, made.id, random_text(secret_length, alphabet.size()));
  const KeyEntry entry{made.id, key.user, lower(key.tenant), key.rights, key.expires, key.label};
  const std::string line = line_of(entry, key_hash(made.presented));
  // Whether it says what it should: a user with a colon would be somebody else.
  const auto alone = Keys::parse(line, bad);
  if (!bad.empty()) return fail(Errc::invalid, "{}", bad.front().why);
  const auto back = alone->check(made.presented, WallTime::min());
  if (!back || alone->size() != 1 || back->user != entry.user || back->tenant != entry.tenant ||
      back->label != entry.label)
    return fail(Errc::invalid,
                "a file of keys cannot hold that user or label: no ':' in a user, no line end in either");
  if (!text_.empty() && !text_.ends_with('\n')) text_ += '\n';
  text_ += line;
  return made;
}

template <class Change>
bool KeyFile::change_line(std::string_view id, Change change) {
  std::string made;
  bool found = false;
  for (std::string_view rest = text_; !rest.empty();) {
    const std::string_view line = take_line(rest);
    if (!line.starts_with('#') && line.substr(0, line.find(':')) == id) {
      found = true;
      made += change(line);
    } else {
      made += line;
    }
  }
  text_ = std::move(made);
  return found;
}

bool KeyFile::revoke(std::string_view id) {
  return change_line(id, [](std::string_view) { return std::string(); });
}

bool KeyFile::expire(std::string_view id, std::optional<WallTime> when) {
  return change_line(id, [&](std::string_view line) {
    std::string_view bare = line.substr(0, line.find_last_not_of("\r\n") + 1);
    std::vector<BadLine> bad;
    KeyEntry entry = Keys::parse(bare, bad)->all().front();  // parse() took the whole file
    entry.expires = when;
    return line_of(entry, split(bare, ':')[1]);
  });
}

}  // namespace impulse::auth

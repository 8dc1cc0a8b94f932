#include "console/candidates.h"

#include "control/safe_text.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace impulse::console {

namespace {

// Characters, as far as columns go.
size_t width_of(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string padded(const std::string& text, size_t width) {
  const size_t own = width_of(text);
  return own < width ? text + std::string(width - own, ' ') : text;
}

// The beginning of a text that fits.
std::string_view shortened(std::string_view text, size_t width) {
  size_t end = 0;
  for (size_t shown = 0; end < text.size(); ++end)
    if ((static_cast<unsigned char>(text[end]) & 0xC0) != 0x80 && shown++ == width) break;
  return text.substr(0, end);
}

}  // namespace

Outcome<std::vector<Candidate>> ask_candidates(Client& client, std::string_view line) {
  std::vector<Candidate> candidates;
  if (auto sent = client.send(fmt::format("--json complete {}", line)); !sent)
    return std::unexpected(std::move(sent.error()));
  while (client.owed()) {
    auto reply = client.next();
    if (!reply) return std::unexpected(std::move(reply.error()));
    if (reply->kind != ReplyLine::Kind::payload) continue;
    const auto document = nlohmann::json::parse(reply->text, nullptr, false);
    if (!document.is_object()) continue;
    const auto text = [&](const char* key) {
      const auto found = document.find(key);
      return found != document.end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    candidates.push_back({text("word"), text("help")});
  }
  return candidates;
}

std::string common_prefix(const std::vector<Candidate>& candidates) {
  if (candidates.empty()) return {};
  std::string_view common = candidates.front().word;
  for (const Candidate& candidate : candidates) {
    const auto differ = std::mismatch(common.begin(), common.end(), candidate.word.begin(), candidate.word.end()).first;
    common = common.substr(0, static_cast<size_t>(differ - common.begin()));
  }
  return std::string(common);
}

std::string candidate_list(const std::vector<Candidate>& candidates, size_t width, size_t most) {
  const size_t count = std::min(candidates.size(), most);
  size_t longest = 0;
  bool helped = false;
  std::vector<Candidate> shown;
  for (size_t i = 0; i < count; ++i) {
    shown.push_back({control::safe_text(candidates[i].word), control::safe_text(candidates[i].help)});
    longest = std::max(longest, width_of(shown.back().word));
    helped = helped || !shown.back().help.empty();
  }
  std::string list;
  if (helped) {
    longest = std::min<size_t>(longest, 40);
    const size_t room = width > longest + 24 ? width - longest - 3 : 20;
    for (const Candidate& candidate : shown) {
      list += candidate.help.empty() ? candidate.word : padded(candidate.word, longest);
      if (!candidate.help.empty()) list += fmt::format("  {}", shortened(candidate.help, room));
      list += '\n';
    }
  } else if (count > 0) {
    const size_t columns = std::max<size_t>(1, width / (longest + 2));
    const size_t rows = (count + columns - 1) / columns;
    for (size_t row = 0; row < rows; ++row) {
      std::string line;
      for (size_t i = row; i < count; i += rows) line += padded(shown[i].word, longest + 2);
      line.erase(line.find_last_not_of(' ') + 1);
      list += line + '\n';
    }
  }
  if (candidates.size() > count) list += fmt::format("… and {} more\n", candidates.size() - count);
  return list;
}

}  // namespace impulse::console

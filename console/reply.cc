#include "console/reply.h"

#include "base/text.h"

namespace impulse::console {

namespace {

// The next blank-separated word; a value in double quotes may hold blanks.
std::string_view next_word(std::string_view& rest) {
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  size_t end = 0;
  bool quoted = false;
  for (; end < rest.size() && (quoted || rest[end] != ' '); ++end) {
    if (rest[end] == '"') quoted = !quoted;
    if (quoted && rest[end] == '\\' && end + 1 < rest.size()) ++end;
  }
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(end);
  return word;
}

std::string unquoted(std::string_view value) {
  if (value.size() < 2 || !value.starts_with('"') || !value.ends_with('"')) return std::string(value);
  value = value.substr(1, value.size() - 2);
  std::string text;
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '\\' && i + 1 < value.size()) ++i;
    text += value[i];
  }
  return text;
}

bool read_field(std::string_view word, std::vector<std::pair<std::string, std::string>>& fields) {
  const size_t equals = word.find('=');
  if (equals == 0 || equals == std::string_view::npos) return false;
  fields.emplace_back(word.substr(0, equals), unquoted(word.substr(equals + 1)));
  return true;
}

Result<ReplyLine> read_status(std::string_view rest, ReplyLine line) {
  line.kind = ReplyLine::Kind::status;
  const auto code = parse_unsigned(next_word(rest), 255);
  line.word = next_word(rest);
  if (!code || line.word.empty()) return fail(Errc::invalid, "not a status line: '={}'", escape_line(line.text, 128));
  line.code = static_cast<int>(*code);
  for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest)) {
    if (word.starts_with('@'))
      line.tag = word.substr(1);
    else if (!read_field(word, line.fields))
      return fail(Errc::invalid, "not a status line: '={}'", escape_line(line.text, 128));
  }
  return line;
}

}  // namespace

Result<ReplyLine> read_reply_line(std::string_view line) {
  ReplyLine reply;
  if (line.empty()) return fail(Errc::invalid, "an empty line");
  reply.text = line.substr(1);
  switch (line.front()) {
    case ' ':
      return reply;
    case '!': {
      reply.kind = ReplyLine::Kind::notice;
      std::string_view rest = line.substr(1);
      reply.severity = next_word(rest);
      reply.id = next_word(rest);
      if (reply.severity.empty() || reply.id.empty())
        return fail(Errc::invalid, "not a notice: '{}'", escape_line(line, 128));
      if (!rest.empty()) rest.remove_prefix(1);
      reply.text = rest;
      return reply;
    }
    case '?':
      reply.kind = ReplyLine::Kind::challenge;
      return reply;
    case '*':
      reply.kind = ReplyLine::Kind::asynchronous;
      return reply;
    case '=':
      return read_status(line.substr(1), std::move(reply));
    default:
      return fail(Errc::invalid, "not a line of ECTL/1: '{}'", escape_line(line, 128));
  }
}

std::string Greeting::field(std::string_view key) const {
  for (const auto& [name, value] : fields)
    if (name == key) return value;
  return {};
}

Result<Greeting> read_greeting(std::string_view line) {
  std::string_view rest = line;
  if (next_word(rest) != "*" || next_word(rest) != "ECTL/1")
    return fail(Errc::invalid, "no greeting of ECTL/1: '{}'", escape_line(line, 128));
  Greeting greeting;
  greeting.product = next_word(rest);
  for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest))
    read_field(word, greeting.fields);  // words that later versions add are passed over
  return greeting;
}

}  // namespace impulse::console

#include "api/control_call.h"

#include "api/json.h"
#include "api/requests.h"
#include "base/text.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace impulse::api {

namespace {

constexpr size_t longest_line = 60'000;  // bytes; the protocol takes 65,536 with what we add
constexpr unsigned code_denied = 6;

std::unexpected<Error> wrong(Fault fault, std::string field, std::string reason) {
  return std::unexpected(Error{fault, std::move(field), std::move(reason)});
}

// A line that is one command and nothing else: it brings no tag, and no payload
// that somebody would wait for.
std::string wrong_with_command(std::string_view command) {
  if (trim(command).empty()) return "a command is expected";
  if (command.size() > longest_line) return fmt::format("a command has at most {} bytes", longest_line);
  if (std::ranges::any_of(command, [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte < 0x20 && c != '\t') || byte == 0x7F;
      }))
    return "a command is one line without control characters";
  if (trim(command).starts_with('@')) return "a command has no tag here";
  if (words(command).back().starts_with("<<")) return "what is announced by << stands in payload";
  return {};
}

std::string text_json(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void append(std::string& list, std::string_view item) {
  if (!list.empty()) list += ',';
  list += item;
}

// "a \"b\"" without its quotes; a bare word as it is.
std::string unquoted(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::string(text);
  std::string out;
  for (size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] == '\\' && i + 2 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\')) ++i;
    out += text[i];
  }
  return out;
}

// The next word of a status line; quotes hold blanks together.
std::string_view take_word(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  bool quoted = false;
  size_t end = 0;
  for (; end < rest.size() && (quoted || rest[end] != ' '); ++end) {
    if (rest[end] == '\\' && quoted)
      ++end;
    else if (rest[end] == '"')
      quoted = !quoted;
  }
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(word.size());
  return word;
}

// A command as it stands in JSON.
struct Given {
  std::optional<std::string> command;
  std::optional<std::string> payload;

  bool take(Reader& reader, std::string_view name, Element value, const Where& where) {
    if (name == "command")
      command = reader.text(value, where);
    else if (name == "payload")
      payload = reader.text(value, where);
    else
      return false;
    return true;
  }
};

// Of a list: a text is a command without a payload.
Given read_given(Reader& reader, Element item, const Where& where) {
  Given given;
  if (item.is_string())
    given.command = reader.text(item, where);
  else
    reader.object(item, where, [&](std::string_view name, Element value, const Where& at) {
      return given.take(reader, name, value, at);
    });
  return given;
}

std::expected<ControlRequest, Error> to_request(const Given& given, bool json, const std::string& field) {
  if (!given.command) return wrong(Fault::missing, field, "a command is expected");
  if (std::string why = wrong_with_command(*given.command); !why.empty())
    return wrong(Fault::invalid, field, std::move(why));
  std::string request = json ? "--json " : "";
  request += *given.command;
  if (!given.payload) return ControlRequest{*given.command, request + "\n"};
  // A line of the payload that would end it is not to be had.
  constexpr size_t longest_word = 64;
  std::string end = "END";
  while (end.size() <= longest_word && given.payload->find(end) != std::string::npos) end += '_';
  if (end.size() > longest_word) return wrong(Fault::unsupported, field, "its payload cannot be sent");
  request += fmt::format(" <<{}\n{}", end, *given.payload);
  if (!given.payload->empty() && !given.payload->ends_with('\n')) request += '\n';
  return ControlRequest{*given.command, request + end + "\n"};
}

}  // namespace

std::expected<ControlOrder, Error> read_control(std::string_view content_type, const std::string& body) {
  const std::string type = media_type(content_type);
  if (type != "application/json" && !type.ends_with("+json"))
    return wrong(
        Fault::media_type, "",
        fmt::format("Content-Type must be application/json, not {}", type.empty() ? "nothing" : escape_line(type, 80)));
  const auto document = Json::parse(body);
  if (!document) return std::unexpected(document.error());
  Reader reader;
  Given alone;
  std::vector<Given> several;
  ControlOrder order;
  bool json = false;
  reader.object((*document)->root(), Where{}, [&](std::string_view name, Element value, const Where& where) {
    if (name == "commands") {
      order.list = true;
      reader.array(value, where, [&](Element item, const Where& at) {
        if (several.size() == most_commands)
          return reader.fail(Fault::too_large, where, fmt::format("a list has at most {} commands", most_commands));
        several.push_back(read_given(reader, item, at));
      });
    } else if (name == "json") {
      json = reader.boolean(value, where);
    } else {
      return alone.take(reader, name, value, where);
    }
    return true;
  });
  if (!reader.good()) return std::unexpected(*reader.error());
  if (order.list && (alone.command || alone.payload))
    return wrong(Fault::invalid, "commands", "either command or commands is expected");
  if (!order.list) several.push_back(std::move(alone));
  if (several.empty()) return wrong(Fault::invalid, "commands", "a command at least is expected");
  for (size_t i = 0; i < several.size(); ++i) {
    auto request = to_request(several[i], json, control_field(order, i));
    if (!request) return std::unexpected(std::move(request.error()));
    order.requests.push_back(std::move(*request));
  }
  return order;
}

std::string control_field(const ControlOrder& order, size_t index) {
  return order.list ? fmt::format("commands[{}].command", index) : "command";
}

void ControlReply::feed(std::string_view bytes) {
  while (!bytes.empty() && !done() && !too_large_) {
    const size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    size_ += piece.size() + 1;
    if (size_ > largest) {
      too_large_ = true;
      return;
    }
    rest_ += piece;
    if (end == std::string_view::npos) return;
    take(rest_);
    rest_.clear();
    bytes.remove_prefix(end + 1);
  }
}

void ControlReply::take(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.starts_with(' ')) return append(output_, text_json(line.substr(1)));
  if (line.starts_with('=')) return take_status(line.substr(1));
  if (!line.starts_with('!')) return;  // greeting and notices
  line.remove_prefix(1);
  const std::string_view severity = take_word(line);
  const std::string_view id = take_word(line);
  const std::string_view text = trim(line);
  if (messages_.empty()) first_ = text;
  append(messages_,
         fmt::format(R"({{"severity":{},"id":{},"text":{}}})", text_json(severity), text_json(id), text_json(text)));
}

void ControlReply::take_status(std::string_view line) {
  code_ = static_cast<unsigned>(parse_unsigned(take_word(line), 255).value_or(1));
  word_ = take_word(line);
  for (std::string_view field = take_word(line); !field.empty(); field = take_word(line)) {
    const size_t equal = field.find('=');
    if (field.starts_with('@') || equal == std::string_view::npos) continue;
    append(fields_,
           fmt::format("{}:{}", text_json(field.substr(0, equal)), text_json(unquoted(field.substr(equal + 1)))));
  }
}

int ControlReply::http_status() const {
  if (too_large_) return status_of(Fault::too_large);
  return code_ == code_denied ? status_of(Fault::refused) : 200;
}

std::string ControlReply::body() const { return http_status() == 200 ? result() : error("command"); }

std::string ControlReply::error(std::string_view field) const {
  if (too_large_)
    return error_body({Fault::too_large, "", fmt::format("the answer has over {} bytes: ask by ec_console", largest)},
                      Style::impulse);
  return error_body({Fault::refused, std::string(field), first_.empty() ? "this user may not do that" : first_},
                    Style::impulse);
}

std::string ControlReply::result() const {
  return fmt::format(R"({{"code":{},"word":{},"fields":{{{}}},"output":[{}],"messages":[{}]}})", code(),
                     text_json(word_), fields_, output_, messages_);
}

}  // namespace impulse::api

#include "control/commands/queue_words.h"

#include "base/text.h"
#include "config/value.h"
#include "control/columns.h"
#include "control/commands/config_target.h"
#include "control/limits.h"
#include "control/selectors.h"
#include "queue/name.h"

#include <algorithm>
#include <utility>

namespace impulse::control {

namespace {

constexpr const char* selector_forms =
    "--sender REGEX, --recipient REGEX, --older TIME, --meta KEY VALUE or --header NAME LINE";
constexpr const char* two_bindings = "this queue's name has a binding already";

std::expected<Pattern, Answer> read_pattern(const config::RawValue& word) {
  auto pattern = Pattern::compile(word.text, true);
  if (!pattern) return std::unexpected(placed_error(Code::usage, "control-usage", word, pattern.error().message));
  return std::move(*pattern);
}

// To the language of the configuration NAME=REGEX is two words, unless it is quoted: so ec_console does with its
// arguments.
bool is_joined(const Invocation& call, const config::RawValue& name, const config::RawValue& value) {
  if (call.source == nullptr || name.span.end > value.span.begin) return false;
  return call.source->text.substr(name.span.end, value.span.begin - name.span.end).contains('=');
}

// One selector, with the words of its value.
std::expected<void, Answer> add_selector(const Invocation& call, const config::RawValue& flag,
                                         std::span<const config::RawValue> values, size_t wanted, QueueWords& read) {
  const auto wrong = [](const config::RawValue& word, std::string text) {
    return std::unexpected(placed_error(Code::usage, "control-usage", word, std::move(text)));
  };
  if (std::ranges::none_of(selector_flags, [&](std::string_view each) { return iequals(flag.text, each); }))
    return wrong(flag, fmt::format("a selector is {}; or --dry-run", selector_forms));
  if (values.size() < wanted) return wrong(flag, "its value is missing");
  for (const config::RawValue& value : values)
    if (!is_plain(value)) return wrong(value, "a word is expected");
  const config::RawValue& value = values.front();
  if (iequals(flag.text, "--older")) {
    const auto age = read_duration(value);
    if (!age) return wrong(value, age.error().message);
    read.age = *age;
    return {};
  }
  const bool sender = iequals(flag.text, "--sender");
  if (sender || iequals(flag.text, "--recipient")) {
    auto pattern = read_pattern(value);
    if (!pattern) return std::unexpected(std::move(pattern.error()));
    auto& place = sender ? read.sender : read.recipient;
    if (place) return wrong(flag, "it is there twice");
    place = std::move(*pattern);
    return {};
  }
  const bool meta = iequals(flag.text, "--meta");
  Result<> added;
  if (meta)
    added = values.size() == 1 ? read.content.add_meta(value.text) : read.content.add_meta(value.text, values[1].text);
  else if (values.size() == 1)
    added = read.content.add_header(value.text);
  else if (is_joined(call, value, values[1]))
    added = read.content.add_header(value.text + '=' + values[1].text);
  else
    added = read.content.add_header_line(value.text, values[1].text);
  if (!added) return wrong(value, added.error().message);
  return {};
}

}  // namespace

Result<Duration> read_duration(const config::RawValue& word) {
  config::OptionDef any = config::definition(config::key::timeout);  // for its type; any time will do
  any.min = 0;
  any.max = INT64_MAX;
  const auto value = config::convert(word, any);
  if (!value) return std::unexpected(value.error());
  return std::get<Duration>(*value);
}

std::expected<QueueWords, Answer> read_queue_words(const Invocation& call, std::string_view command,
                                                   const QueueForm& form) {
  QueueWords read;
  const auto wrong = [](const config::RawValue& word, std::string text) {
    return std::unexpected(placed_error(Code::usage, "control-usage", word, std::move(text)));
  };
  bool wants_binding = form.binding_first;
  for (size_t i = 0; i < call.words.size(); ++i) {
    const config::RawValue& word = call.words[i];
    if (!is_plain(word)) return wrong(word, "a word is expected");
    if (iequals(word.text, "--dry-run")) {
      read.dry_run = true;
    } else if (word.text.starts_with("--")) {
      const size_t values = words_of_flag(word.text, i + 1 < call.words.size() ? call.words[i + 1].text : "");
      const auto behind = call.words.subspan(i + 1, std::min(values, call.words.size() - i - 1));
      if (auto added = add_selector(call, word, behind, values, read); !added)
        return std::unexpected(std::move(added.error()));
      i += values;
    } else if (wants_binding ||
               (iequals(word.text, "binding") && !form.binding_first && read.queues.empty() && read.binding.empty() &&
                read.note.empty() && i + 1 + form.queues < call.words.size())) {
      const config::RawValue& name = wants_binding ? word : call.words[++i];
      wants_binding = false;
      if (iequals(name.text, "all")) {
        read.binding = "all";
      } else {
        auto binding = read_binding(call, name);
        if (!binding) return std::unexpected(std::move(binding.error()));
        read.binding = std::move(*binding);
      }
    } else if (read.queues.size() < form.queues) {
      if (word.text.empty()) return wrong(word, "a domain is expected");
      if (!read.binding.empty() && word.text.contains(queue::binding_mark)) return wrong(word, two_bindings);
      read.queues.push_back(lower(word.text));
    } else if (form.notes) {
      if (!read.note.empty()) read.note += ' ';
      read.note += word.text;
    } else {
      return wrong(word, "nothing more is expected");
    }
  }
  if (wants_binding) return std::unexpected(usage(command, "a binding and a domain are expected"));
  if (read.queues.size() < form.queues)
    return std::unexpected(usage(command, form.queues == 1 ? "a domain is expected" : "two domains are expected"));
  return read;
}

std::vector<const config::RawValue*> plain_words(std::span<const config::RawValue> words) {
  std::vector<const config::RawValue*> plain;
  for (size_t i = 0; i < words.size(); ++i) {
    if (!words[i].text.starts_with("--"))
      plain.push_back(&words[i]);
    else
      i += words_of_flag(words[i].text, i + 1 < words.size() ? words[i + 1].text : "");
  }
  return plain;
}

std::expected<std::string, Answer> read_queue(const Invocation& call, std::string_view command, bool bindings) {
  auto words = call.words;
  std::string binding;
  if (words.size() >= (bindings ? 2 : 3) && iequals(words.front().text, "binding")) {
    auto found = read_binding(call, words[1]);
    if (!found) return std::unexpected(std::move(found.error()));
    binding = std::move(*found);
    words = words.subspan(2);
    if (words.empty()) return lower(fmt::format("{}{}", queue::binding_mark, binding));
    if (words.front().text.contains(queue::binding_mark))
      return std::unexpected(placed_error(Code::usage, "control-usage", words.front(), two_bindings));
  }
  if (words.size() == 2 && iequals(words.front().text, "domain")) words = words.subspan(1);
  if (words.size() != 1 || !is_plain(words.front()) || words.front().text.empty() ||
      words.front().text.starts_with('-'))
    return std::unexpected(usage(command, "one domain is expected"));
  return lower(queue::name_of({}, words.front().text, binding));
}

std::expected<std::string, Answer> read_binding(const Invocation& call, const config::RawValue& word) {
  if (iequals(word.text, queue::default_binding)) return std::string(queue::default_binding);
  for (std::string& name : call.system.engine().current()->bindings())
    if (iequals(name, word.text)) return std::move(name);
  // One that has gone may have left some mail behind.
  std::string last;
  for (;;) {
    const auto rows = call.system.queue_domains(last, page);
    for (const QueuedDomain& row : rows)
      if (iequals(queue::binding_of(row.domain), word.text)) return std::string(queue::binding_of(row.domain));
    if (rows.size() < page) break;
    last = rows.back().domain;
  }
  return std::unexpected(placed_error(Code::not_found, "queue-no-such-binding", word,
                                      fmt::format("there is no binding '{}'", field(word.text))));
}

std::vector<QueuedDomain> queues_of(System& system, const std::string& domain) {
  std::vector<QueuedDomain> found;
  if (auto own = system.queue_domain(domain)) found.push_back(std::move(*own));
  std::string last = domain;
  for (;;) {
    auto rows = system.queue_domains(last, page);
    for (QueuedDomain& row : rows) {
      if (!iequals(queue::without_binding(row.domain), domain)) return found;
      last = row.domain;
      found.push_back(std::move(row));
    }
    if (rows.size() < page) return found;
  }
}

std::expected<MessageId, Answer> read_message_id(const Invocation& call, const config::RawValue& word) {
  const auto id = MessageId::parse(word.text);
  if (!id || !is_plain(word))
    return std::unexpected(
        placed_error(Code::usage, "message-bad-id", word, id ? "a message id is expected" : id.error().message));
  // "00000001/0000A2C0-mx1": without a node it is ours.
  if (const size_t dash = word.text.find('-'); dash != std::string::npos) {
    const std::string node = call.system.node();
    if (std::string_view(word.text).substr(dash + 1) != node)
      return std::unexpected(Answer::error(Code::not_found, "message-not-found",
                                           fmt::format("{} is a message of another node; this one is {}",
                                                       escape_line(word.text, 80), escape_line(node, 80))));
  }
  return *id;
}

std::string unsaved_text(const Error& why) {
  return fmt::format("this is so until the daemon ends, but cannot be kept on the disk: {}", why.message);
}

}  // namespace impulse::control

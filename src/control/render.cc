#include "control/render.h"

#include <algorithm>

namespace impulse::control {

namespace {

constexpr size_t screen = 100;          // columns up to which a list stays in its line
constexpr size_t document_items = 400;  // of a list in one JSON document: each at most some 255 bytes, as a rule
constexpr size_t longest_item = 100;    // bytes an item may have and be counted so

// A list value's items, one at a time.
struct Items {
  const config::Value& value;

  bool is_list() const {
    return std::holds_alternative<config::Strings>(value) || std::holds_alternative<NetworkList>(value) ||
           std::holds_alternative<config::GlobList>(value);
  }
  size_t size() const {
    if (const auto* strings = std::get_if<config::Strings>(&value)) return strings->size();
    if (const auto* networks = std::get_if<NetworkList>(&value)) return networks->prefixes().size();
    if (const auto* globs = std::get_if<config::GlobList>(&value)) return globs->patterns().size();
    return 0;
  }
  std::string operator[](size_t i) const {
    if (const auto* strings = std::get_if<config::Strings>(&value)) return (*strings)[i];
    if (const auto* networks = std::get_if<NetworkList>(&value)) return networks->prefixes()[i].to_string();
    return std::get<config::GlobList>(value).patterns()[i];
  }
};

Json seconds(Duration duration) {
  constexpr int64_t second = Duration::period::den;
  const int64_t count = duration.count();
  if (count % second == 0) return count / second;
  return static_cast<double>(count) / static_cast<double>(second);
}

// How many items from `from` on make one document.
size_t document_size(const Items& items, size_t from) {
  size_t bytes = 0;
  size_t count = 0;
  while (from + count < items.size() && bytes < document_items * longest_item) {
    bytes += items[from + count].size() + 8;
    ++count;
  }
  return count;
}

}  // namespace

Json json_value(const config::Value& value, const config::OptionDef& option, size_t from, size_t count) {
  using config::Type;
  switch (option.type) {
    case Type::boolean:
      return std::get<bool>(value);
    case Type::integer:
      return std::get<int64_t>(value);
    case Type::size:
      return std::get<uint64_t>(value);
    case Type::duration:
      return seconds(std::get<Duration>(value));
    case Type::rate: {
      const auto& rate = std::get<config::Rate>(value);
      return {{"count", rate.count}, {"per", seconds(rate.per)}};
    }
    case Type::string:
    case Type::path: {
      const auto& text = std::get<std::string>(value);
      const std::string shown = config::to_text(value, option);
      return shown == "(redacted)" && text != shown ? shown : text;
    }
    case Type::secret:
      return std::get<std::string>(value).empty() ? "" : "(redacted)";
    case Type::strings:
    case Type::networks:
    case Type::globs: {
      const Items items{value};
      Json list = Json::array();
      for (size_t i = from; i < items.size() && i - from < count; ++i) list.push_back(items[i]);
      return list;
    }
    case Type::dictionary: {
      Json object = Json::object();
      for (const auto& [key, text] : std::get<config::Dictionary>(value)) object[key] = text;
      return object;
    }
    case Type::octal:
    case Type::enumeration:
    case Type::size_or_percent:
      break;
  }
  return config::to_text(value, option);
}

Step say_setting(std::shared_ptr<const config::Value> value, const config::OptionDef& option, std::string indent,
                 Json head) {
  enum class At { start, items, end };
  return [value = std::move(value), &option, indent = std::move(indent), head = std::move(head), at = At::start,
          next = size_t{0}, part = uint64_t{0}](Writer& writer) mutable {
    const Items items{*value};
    if (at == At::end) return false;
    if (writer.json()) {
      const size_t count = items.is_list() ? document_size(items, next) : 0;
      Json document = head;
      document["value"] = json_value(*value, option, next, count);
      next += count;
      const bool more = items.is_list() && next < items.size();
      if (more || part > 0) document["part"] = part++;
      if (more) document["more"] = true;
      writer.document(document);
      if (!more) at = At::end;
      return true;
    }
    if (at == At::start) {
      at = At::end;
      // Four bytes is about the least that an item takes with its blank.
      const bool many = items.is_list() && items.size() > screen / 4;
      std::string line = fmt::format("{}{} = ", indent, option.name);
      if (!many) {
        const std::string text = config::to_text(*value, option);
        if (!items.is_list() || items.size() < 2 || line.size() + text.size() <= screen) {
          writer.text(line + text);
          return true;
        }
      }
      writer.text(line + "(");
      at = At::items;
      return true;
    }
    if (next < items.size()) {
      writer.text(fmt::format("{}  {}", indent, config::quote_if_needed(items[next++])));
      return true;
    }
    writer.text(indent + ")");
    at = At::end;
    return true;
  };
}

std::string heading(const config::ScopeDef& scope, std::string_view instance) {
  if (instance.empty()) return std::string(scope.name);
  config::RawValue quoted;
  quoted.kind = config::RawValue::Kind::string;
  quoted.text = std::string(instance);
  std::string text = config::quote_if_needed(instance);
  if (!text.starts_with('"')) text = fmt::format("\"{}\"", text);  // Momentum's files quote them all
  return fmt::format("{} {}", scope.name, text);
}

std::string path_text(const config::ScopePath& path) { return path.empty() ? "global" : config::to_string(path); }

}  // namespace impulse::control

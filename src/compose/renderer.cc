#include "compose/renderer.h"

#include "base/text.h"
#include "compose/escape.h"
#include "compose/text_case.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace impulse::compose {

namespace {

// What costs more than to read a byte, in bytes read.
constexpr uint64_t to_write = 4;
constexpr uint64_t to_change_case = 8;
constexpr uint64_t to_parse = 16;

// In bytes read, of the worst search for `what`.
uint64_t search_cost(std::string_view text, std::string_view what) {
  if (what.size() > text.size()) return 0;
  return uint64_t{text.size() - what.size() + 1} * (1 + what.size() / 32);
}

}  // namespace

std::expected<void, Problem> Renderer::run() {
  nodes(document_.nodes);
  return result_;
}

bool Renderer::fail(size_t at, std::string reason, bool unsafe) {
  if (result_) result_ = std::unexpected(Problem{.at = at, .reason = std::move(reason), .unsafe = unsafe});
  return false;
}

bool Renderer::spend(size_t at, uint64_t steps, uint64_t bytes) {
  return work_.take(steps + bytes / 64) || fail(at, "filling the message takes too many steps");
}

bool Renderer::too_large(size_t at) {
  if (result_)
    result_ = std::unexpected(Problem{
        .at = at, .reason = fmt::format("the result is longer than {} bytes", limits_.output), .too_large = true});
  return false;
}

bool Renderer::nodes(const Nodes& nodes) {
  for (const Node& node : nodes) {
    if (!spend(node.at, 1)) return false;
    bool good = false;
    switch (node.kind) {
      case Node::Kind::text:
        out_ += node.text;
        good = true;
        break;
      case Node::Kind::output:
        good = output(node);
        break;
      case Node::Kind::dynamic:
        good = dynamic(node);
        break;
      case Node::Kind::choice:
        good = choice(node);
        break;
      case Node::Kind::loop:
        good = loop(node);
        break;
    }
    if (!good) return false;
    if (out_.size() - begin_ > limits_.output) return too_large(node.at);
  }
  return true;
}

bool Renderer::output(const Node& node) {
  const Found found = evaluate(node.expression);
  if (!result_) return false;
  const std::string_view text = text_of(found.value(), node.expression.at);
  if (!result_ || !spend(node.at, 0, text.size() * to_write)) return false;
  const bool header = document_.context == Context::header || document_.context == Context::section;
  const bool html = document_.context == Context::html || document_.context == Context::amp;
  if (header && has_control(text))
    return fail(node.at, "the value holds a line break or another control character, which no header field may", true);
  if (document_.context == Context::section && !text.empty() && (out_.size() == begin_ || out_.back() == '\n'))
    return fail(node.at, "a value may not begin a line of the header section", true);
  if (node.raw || found.safe || (!node.url && !html))
    out_ += text;
  else if (node.url && !header)
    append_url(out_, text);
  else if (html)
    append_html(out_, text);
  else
    out_ += text;
  strings_.clear();
  return true;
}

// SparkPost's dynamic content: a template that came as a value, but one of
// those that the request has for all, so that no recipient's data is a program.
bool Renderer::dynamic(const Node& node) {
  const Expression& expression = node.expression;
  const std::string_view part = expression.steps.front().name;
  if (part != "dynamic_html" && part != "dynamic_plain" && part != "dynamic_amp_html")
    return fail(node.at, "render_dynamic_content takes the name of a member of dynamic_html or dynamic_plain");
  if (limits_.dynamic == 0) return fail(node.at, "dynamic content is nested too deeply");
  std::vector<Value> keys;
  for (const Step& step : expression.steps) keys.push_back(key(step));
  if (!result_) return false;
  const Value* found = scope_.dynamic == nullptr ? nullptr : follow(scope_.dynamic, expression, keys, 0);
  if (found == nullptr || found->string() == nullptr)
    return fail(node.at, "there is no such dynamic content in the substitution data of the request");
  if (!spend(node.at, 0, found->string()->size() * to_parse)) return false;
  const auto inner = Template::parse(*found->string(), document_.dialect, document_.context);
  if (!inner) return fail(node.at, "in the dynamic content: " + inner.error().to_string());
  Limits limits = limits_;
  limits.output = limits_.output - std::min(limits_.output, out_.size() - begin_);
  limits.iterations = limits_.iterations - iterations_;
  --limits.dynamic;
  if (const auto done = inner->render(scope_, limits, work_, out_); !done)
    return done.error().too_large
               ? too_large(node.at)
               : fail(node.at, "in the dynamic content: " + done.error().to_string(), done.error().unsafe);
  strings_.clear();
  return true;
}

bool Renderer::choice(const Node& node) {
  for (const Branch& branch : node.branches) {
    const bool taken = branch.otherwise || is_true(evaluate(branch.condition).value());
    strings_.clear();
    if (!result_) return false;
    if (taken) return nodes(branch.body);
  }
  return true;
}

bool Renderer::loop(const Node& node) {
  const Found list = path(node.expression);
  if (!result_) return false;
  const Value::Array* items = list.value().array();
  if (items == nullptr && !list.value().is_null()) return fail(node.at, "what the loop goes over is no list");
  if (items == nullptr || items->empty()) return node.branches.size() < 2 || nodes(node.branches[1].body);
  for (size_t i = 0; i < items->size(); ++i) {
    if (++iterations_ > limits_.iterations)
      return fail(node.at, fmt::format("the loops turn more than {} times", limits_.iterations));
    if (!spend(node.at, 1)) return false;
    frames_.push_back({node.text, &(*items)[i], i, items->size()});
    if (!nodes(node.branches.front().body)) return false;
    frames_.pop_back();
  }
  return true;
}

bool Renderer::is_true(const Value& value) const {
  if (value.is_null()) return false;
  if (const bool* known = value.get<bool>()) return *known;
  if (document_.dialect != Dialect::jinja) return true;
  if (const auto* text = value.string()) return !text->empty();
  if (const auto* items = value.array()) return !items->empty();
  if (const auto* members = value.object()) return !members->empty();
  return value.number() != 0;
}

Renderer::Found Renderer::made(std::string text, bool safe) {
  return {.made = Value(std::string_view(strings_.emplace_back(std::move(text)))), .safe = safe};
}

std::string_view Renderer::text_of(const Value& value, size_t at) {
  if (const auto* text = value.string()) return *text;
  if (value.is_null()) return {};
  if (const bool* known = value.get<bool>()) return *known ? "true" : "false";
  std::string& out = strings_.emplace_back();
  if (const auto* number = value.get<int64_t>())
    out = fmt::format("{}", *number);
  else if (const auto* large = value.get<uint64_t>())
    out = fmt::format("{}", *large);
  else if (const auto* real = value.get<double>())
    out = fmt::format("{}", *real);
  else
    fail(at, value.array() != nullptr ? "the value is a list and cannot be written"
                                      : "the value is an object and cannot be written");
  return out;
}

// Values have more than a few members in order (value.h).
const Value* Renderer::member(const Value& from, std::string_view name, size_t at) {
  return spend(at, 1, name.size() * 16) ? from.member(name) : nullptr;
}

const Value* Renderer::step(const Value& from, const Value& key, size_t at) {
  if (const auto* name = key.string()) return member(from, *name, at);
  const auto* items = from.array();
  const auto* number = key.get<int64_t>();
  if (items == nullptr || number == nullptr) return nullptr;
  const auto size = static_cast<int64_t>(items->size());
  int64_t index = *number;
  if (document_.dialect == Dialect::jinja)
    index += index < 0 ? size : 0;
  else
    --index;  // SparkPost counts from 1
  return index >= 0 && index < size ? &(*items)[static_cast<size_t>(index)] : nullptr;
}

const Value* Renderer::follow(const Value* from, const Expression& expression, const std::vector<Value>& keys,
                              size_t at) {
  for (; from != nullptr && at < expression.steps.size(); ++at) from = step(*from, keys[at], expression.at);
  return from;
}

// Lists and objects, which may be large, are nobody's key and not copied.
Value Renderer::key(const Step& step) {
  if (step.index.empty()) return Value(step.name);
  const Found found = evaluate(step.index.front());
  const Value& value = found.value();
  return value.array() != nullptr || value.object() != nullptr ? Value() : value;
}

// The loops' own names; `used`: how many steps of the path stand for what was
// found, 0: it is none of them.
Renderer::Found Renderer::local(const Expression& expression, const std::vector<Value>& keys, size_t& used) {
  used = 0;
  if (frames_.empty()) return {};
  const std::string_view name = expression.steps.front().name;
  const std::string_view* second = keys.size() > 1 ? keys[1].string() : nullptr;
  const Frame& inner = frames_.back();
  if (document_.dialect == Dialect::sparkpost) {
    used = 1;
    if (name == "loop_var") return {.place = inner.item};
    if (name == "loop_index") return {.made = Value(static_cast<int64_t>(inner.index + 1))};
    used = 2;
    if (name == "loop_vars" && second != nullptr)
      for (size_t i = frames_.size(); i-- > 0;)
        if (frames_[i].name == *second) return {.place = frames_[i].item};
  } else {
    used = 1;
    for (size_t i = frames_.size(); i-- > 0;)
      if (frames_[i].name == name) return {.place = frames_[i].item};
    used = 2;
    if (name == "loop" && second != nullptr) {
      if (*second == "index") return {.made = Value(static_cast<int64_t>(inner.index + 1))};
      if (*second == "index0") return {.made = Value(static_cast<int64_t>(inner.index))};
      if (*second == "length") return {.made = Value(static_cast<int64_t>(inner.size))};
      if (*second == "first") return {.made = Value(inner.index == 0)};
      if (*second == "last") return {.made = Value(inner.index + 1 == inner.size)};
    }
  }
  used = 0;
  return {};
}

Renderer::Found Renderer::path(const Expression& expression) {
  if (expression.steps.size() == 1 && frames_.empty()) {  // the usual case
    for (const Value* layer : scope_.layers)
      if (const Value* found = member(*layer, expression.steps.front().name, expression.at)) return {.place = found};
    return {};
  }
  std::vector<Value> keys;
  keys.reserve(expression.steps.size());
  if (!spend(expression.at, expression.steps.size())) return {};
  for (const Step& step : expression.steps) keys.push_back(key(step));
  if (!result_) return {};
  size_t used = 0;
  Found found = local(expression, keys, used);
  if (used == expression.steps.size()) return found;
  if (used != 0) {
    const Value* place = follow(&found.value(), expression, keys, used);
    return {.place = place};
  }
  for (const Value* layer : scope_.layers)
    if (const Value* place = follow(layer, expression, keys, 0)) return {.place = place};
  return {};
}

Renderer::Found Renderer::evaluate(const Expression& expression) {
  if (!result_ || !spend(expression.at, 1)) return {};
  const auto& arguments = expression.arguments;
  const auto truth = [](bool known) { return Found{.made = Value(known)}; };
  switch (expression.op) {
    case Op::literal:
      return {.place = &expression.value};
    case Op::path:
      return path(expression);
    case Op::negate:
      return truth(!is_true(evaluate(arguments[0]).value()));
    case Op::both:
    case Op::either: {
      Found first = evaluate(arguments[0]);
      return is_true(first.value()) == (expression.op == Op::either) ? first : evaluate(arguments[1]);
    }
    case Op::equal:
    case Op::unequal:
    case Op::less:
    case Op::at_most:
    case Op::greater:
    case Op::at_least:
    case Op::within:
      return truth(compare(expression));
    case Op::defined:
      return truth(!evaluate(arguments[0]).value().is_null());
    case Op::fallback: {
      Found first = evaluate(arguments[0]);
      return first.value().is_null() ? evaluate(arguments[1]) : first;
    }
    case Op::fallback_false: {
      Found first = evaluate(arguments[0]);
      return is_true(first.value()) ? first : evaluate(arguments[1]);
    }
    case Op::safe: {
      Found first = evaluate(arguments[0]);
      first.safe = true;
      return first;
    }
    default:
      return filter(expression);
  }
}

bool Renderer::same(const Value& one, const Value& other, size_t at) {
  if (one.is_number() && other.is_number()) return one.number() == other.number();
  if (one.string() != nullptr && other.string() != nullptr)
    return one.string()->size() == other.string()->size() && spend(at, 0, one.string()->size()) &&
           *one.string() == *other.string();
  if (one.get<bool>() != nullptr && other.get<bool>() != nullptr) return *one.get<bool>() == *other.get<bool>();
  return one.is_null() && other.is_null();
}

bool Renderer::contains(const Value& all, const Value& one, size_t at) {
  if (const auto* items = all.array())
    return spend(at, items->size() / 8) &&
           std::ranges::any_of(*items, [&](const Value& item) { return same(one, item, at); });
  if (one.string() == nullptr) return false;
  if (all.string() == nullptr) return member(all, *one.string(), at) != nullptr;
  return spend(at, 0, search_cost(*all.string(), *one.string())) && all.string()->contains(*one.string());
}

bool Renderer::compare(const Expression& expression) {
  const Found left = evaluate(expression.arguments[0]);
  const Found right = evaluate(expression.arguments[1]);
  const Value& a = left.value();
  const Value& b = right.value();
  if (expression.op == Op::equal) return same(a, b, expression.at);
  if (expression.op == Op::unequal) return !same(a, b, expression.at);
  if (expression.op == Op::within) return contains(b, a, expression.at);
  // Numbers with numbers, strings with strings; nothing else has an order.
  int order = 0;
  if (a.is_number() && b.is_number())
    order = a.number() < b.number() ? -1 : a.number() > b.number() ? 1 : 0;
  else if (a.string() != nullptr && b.string() != nullptr &&
           spend(expression.at, 0, std::min(a.string()->size(), b.string()->size())))
    order = a.string()->compare(*b.string());
  else
    return false;
  switch (expression.op) {
    case Op::less:
      return order < 0;
    case Op::at_most:
      return order <= 0;
    case Op::greater:
      return order > 0;
    default:
      return order >= 0;
  }
}

Renderer::Found Renderer::filter(const Expression& expression) {
  const Found input = evaluate(expression.arguments[0]);
  if (!result_) return {};
  const Value& value = input.value();
  const auto enough = [&](uint64_t bytes) { return spend(expression.at, 0, bytes); };
  const auto* items = value.array();
  switch (expression.op) {
    case Op::length: {
      size_t size = 0;
      if (items != nullptr)
        size = items->size();
      else if (value.object() != nullptr)
        size = value.object()->size();
      else if (value.string() != nullptr && enough(value.string()->size()))
        size = static_cast<size_t>(std::ranges::count_if(
            *value.string(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
      return {.made = Value(static_cast<int64_t>(size))};
    }
    case Op::empty:
      return {.made = Value(value.is_null() || (items != nullptr && items->empty()) ||
                            (value.object() != nullptr && value.object()->empty()))};
    case Op::first:
    case Op::last:
      if (items == nullptr || items->empty()) return {};
      // Lists are never made here: what they hold stays.
      return {.place = expression.op == Op::first ? &items->front() : &items->back()};
    case Op::join: {
      if (items == nullptr) {
        fail(expression.at, "only a list can be joined");
        return {};
      }
      const Found between = expression.arguments.size() > 1 ? evaluate(expression.arguments[1]) : Found{};
      std::string out;
      for (const Value& item : *items) {
        const size_t before = out.size();
        if (&item != &items->front()) out += text_of(between.value(), expression.at);
        out += text_of(item, expression.at);
        if (!result_ || !spend(expression.at, 1, out.size() - before)) return {};
        if (out.size() > limits_.output) {
          too_large(expression.at);
          return {};
        }
      }
      return made(std::move(out));
    }
    default:
      break;
  }
  const std::string_view text = text_of(value, expression.at);
  const bool cased = expression.op == Op::upper || expression.op == Op::lower;
  if (!result_ || !enough(text.size() * (cased ? to_change_case : to_write))) return {};
  std::string out;
  switch (expression.op) {
    case Op::upper:
      return made(upper_case(text), input.safe);
    case Op::lower:
      return made(lower_case(text), input.safe);
    case Op::trim:
      return made(std::string(impulse::trim(text)), input.safe);
    case Op::html:
      append_html(out, text);
      return made(std::move(out), true);
    case Op::url:
      append_url(out, text);
      return made(std::move(out));
    case Op::replace: {
      const Found what = evaluate(expression.arguments[1]);
      const Found with = evaluate(expression.arguments[2]);
      const std::string_view from = text_of(what.value(), expression.at);
      const std::string_view to = text_of(with.value(), expression.at);
      if (!result_ || !enough(search_cost(text, from))) return {};
      size_t at = 0;
      for (size_t hit = 0; !from.empty() && (hit = text.find(from, at)) != std::string_view::npos;
           at = hit + from.size()) {
        out.append(text, at, hit - at).append(to);
        if (out.size() > limits_.output) {
          too_large(expression.at);
          return {};
        }
      }
      out += text.substr(at);
      if (!enough(out.size())) return {};
      return made(std::move(out));
    }
    default:
      return {};
  }
}

}  // namespace impulse::compose

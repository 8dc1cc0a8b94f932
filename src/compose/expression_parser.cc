#include "compose/expression_parser.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace impulse::compose {

namespace {

constexpr bool is_word(char c) {
  return is_alpha(c) || is_digit(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

// Names that cannot be variables.
constexpr std::array<std::string_view, 14> keywords{"and",  "or",     "not",  "in",   "is",  "if",  "else",
                                                    "then", "elseif", "elif", "each", "end", "for", "endif"};
bool is_keyword(std::string_view name) { return std::ranges::find(keywords, name) != keywords.end(); }

}  // namespace

ExpressionParser::ExpressionParser(Document& document, size_t at, std::string_view close)
    : document_(document),
      source_(document.source),
      close_(close),
      jinja_(document.dialect == Dialect::jinja),
      position_(at) {}

void ExpressionParser::fail(size_t at, std::string reason) {
  if (!problem_) problem_ = Problem{.at = at, .reason = std::move(reason)};
  position_ = source_.size();  // nothing more is read
  next_.reset();
}

void ExpressionParser::fail(std::string reason) { fail(peek().at, std::move(reason)); }

const ExpressionParser::Token& ExpressionParser::peek() {
  if (!next_) next_ = scan();
  return *next_;
}

ExpressionParser::Token ExpressionParser::take() {
  const Token token = peek();
  next_.reset();
  return token;
}

ExpressionParser::Token ExpressionParser::scan() {
  while (position_ < source_.size() && is_space(source_[position_])) ++position_;
  const size_t at = position_;
  const std::string_view rest = source_.substr(at);
  if (rest.empty()) {
    if (!problem_) problem_ = Problem{.at = at, .reason = fmt::format("the tag does not end: expected {}", close_)};
    return {Kind::end, rest, at};
  }
  if (rest.starts_with(close_) || (jinja_ && rest[0] == '-' && rest.substr(1).starts_with(close_)))
    return {Kind::end, rest.substr(0, 0), at};
  size_t size = 1;
  Kind kind = Kind::sign;
  if (rest[0] == '"' || rest[0] == '\'') return scan_string(at);
  if (is_digit(rest[0])) {
    kind = Kind::number;
    while (size < rest.size() && is_digit(rest[size])) ++size;
    if (size + 1 < rest.size() && rest[size] == '.' && is_digit(rest[size + 1]))
      for (++size; size < rest.size() && is_digit(rest[size]);) ++size;
  } else if (is_word(rest[0])) {
    kind = Kind::name;
    while (size < rest.size() && is_word(rest[size])) ++size;
  } else if (std::ranges::any_of(std::array<std::string_view, 5>{"==", "!=", "<=", ">=", "~="},
                                 [&](std::string_view sign) { return rest.starts_with(sign); })) {
    size = 2;
  }
  position_ += size;
  return {kind, rest.substr(0, size), at};
}

ExpressionParser::Token ExpressionParser::scan_string(size_t at) {
  size_t end = at + 1;
  while (end < source_.size() && source_[end] != source_[at]) end += source_[end] == '\\' ? 2 : 1;
  if (end >= source_.size()) {
    fail(at, "the string does not end");
    return {Kind::end, {}, at};
  }
  position_ = end + 1;
  return {Kind::string, source_.substr(at, position_ - at), at};
}

std::string_view ExpressionParser::unquoted(std::string_view quoted) {
  const std::string_view text = quoted.substr(1, quoted.size() - 2);
  if (!text.contains('\\')) return text;
  std::string& out = document_.strings.emplace_back();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char c = text[++i];
    out += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
  }
  return out;
}

bool ExpressionParser::ends() { return peek().kind == Kind::end; }

bool ExpressionParser::comes(std::string_view text) {
  const Token& token = peek();
  return (token.kind == Kind::name || token.kind == Kind::sign) && token.text == text;
}

bool ExpressionParser::word(std::string_view keyword) {
  if (peek().kind != Kind::name || peek().text != keyword) return false;
  take();
  return true;
}

bool ExpressionParser::sign(std::string_view text) {
  if (peek().kind != Kind::sign || peek().text != text) return false;
  take();
  return true;
}

void ExpressionParser::expect(std::string_view punctuation) {
  if (!sign(punctuation)) fail(fmt::format("expected {}", punctuation));
}

bool ExpressionParser::call(std::string_view name) {
  const Token& token = peek();
  if (token.kind != Kind::name || token.text != name) return false;
  const size_t end = token.at + token.text.size();
  if (!source_.substr(end).starts_with('(')) return false;
  take();
  take();
  return true;
}

std::string_view ExpressionParser::name() {
  const Token token = take();
  if (token.kind != Kind::name || is_keyword(token.text)) {
    fail(token.at, "expected a variable's name");
    return {};
  }
  return token.text;
}

void ExpressionParser::close() {
  if (problem_) return;
  const Token token = peek();
  if (problem_) return;
  if (token.kind != Kind::end)
    return fail(token.at, fmt::format("expected {} before {}", close_, escape_line(token.text, 40)));
  position_ = token.at;
  if (!source_.substr(position_).starts_with(close_)) {
    trims_ = true;
    ++position_;
  }
  position_ += close_.size();
}

Expression ExpressionParser::with(Op op, size_t at, Expression first) {
  Expression out{.op = op, .at = at};
  out.arguments.push_back(std::move(first));
  return out;
}

Expression ExpressionParser::with(Op op, size_t at, Expression first, Expression second) {
  Expression out = with(op, at, std::move(first));
  out.arguments.push_back(std::move(second));
  return out;
}

Expression ExpressionParser::expression() {
  if (++depth_ > Limits::nesting) {
    fail("the expression is nested too deeply");
    return {};
  }
  Expression out = either();
  --depth_;
  return out;
}

// Chains of one operator are kept flat in depth by a limit on their length.
Expression ExpressionParser::either() {
  Expression left = both();
  int parts = 0;
  while (comes("or")) {
    if (++parts > Limits::nesting) fail("too many conditions in one expression");
    const size_t at = take().at;
    left = with(Op::either, at, std::move(left), both());
  }
  return left;
}

Expression ExpressionParser::both() {
  Expression left = negated();
  int parts = 0;
  while (comes("and")) {
    if (++parts > Limits::nesting) fail("too many conditions in one expression");
    const size_t at = take().at;
    left = with(Op::both, at, std::move(left), negated());
  }
  return left;
}

Expression ExpressionParser::negated() {
  if (!comes("not")) return comparison();
  const size_t at = take().at;
  if (++depth_ > Limits::nesting) fail("the expression is nested too deeply");
  Expression out = with(Op::negate, at, negated());
  --depth_;
  return out;
}

Expression ExpressionParser::comparison() {
  constexpr std::array<std::pair<std::string_view, Op>, 7> signs{{{"==", Op::equal},
                                                                  {"!=", Op::unequal},
                                                                  {"~=", Op::unequal},
                                                                  {"<=", Op::at_most},
                                                                  {">=", Op::at_least},
                                                                  {"<", Op::less},
                                                                  {">", Op::greater}}};
  Expression left = filtered();
  const size_t at = peek().at;
  for (const auto& [text, op] : signs)
    if (!(jinja_ && text == "~=") && sign(text)) return with(op, at, std::move(left), filtered());
  if (!jinja_) return left;
  const bool no = comes("not");
  if (no) take();
  if (word("in")) {
    Expression found = with(Op::within, at, std::move(left), filtered());
    return no ? with(Op::negate, at, std::move(found)) : std::move(found);
  }
  if (no) fail("expected in");
  if (word("is")) {
    const bool negated = word("not");
    const size_t test = peek().at;
    const std::string_view what = name();
    if (what != "defined" && what != "undefined" && what != "none")
      fail(test, fmt::format("there is no test {}", what));
    Expression out = with(Op::defined, at, std::move(left));
    return negated == (what == "defined") ? with(Op::negate, at, std::move(out)) : std::move(out);
  }
  return left;
}

Expression ExpressionParser::filtered() {
  Expression out = primary();
  int filters = 0;
  while (jinja_ && sign("|")) {
    if (++filters > Limits::nesting) fail("too many filters");
    out = filter(std::move(out));
  }
  return out;
}

Expression ExpressionParser::filter(Expression input) {
  struct Filter {
    std::string_view name;
    Op op;
    size_t least;  // arguments
    size_t most;
  };
  static constexpr std::array<Filter, 15> filters{{{"default", Op::fallback, 0, 2},
                                                   {"d", Op::fallback, 0, 2},
                                                   {"upper", Op::upper, 0, 0},
                                                   {"lower", Op::lower, 0, 0},
                                                   {"trim", Op::trim, 0, 0},
                                                   {"length", Op::length, 0, 0},
                                                   {"count", Op::length, 0, 0},
                                                   {"join", Op::join, 0, 1},
                                                   {"first", Op::first, 0, 0},
                                                   {"last", Op::last, 0, 0},
                                                   {"replace", Op::replace, 2, 2},
                                                   {"escape", Op::html, 0, 0},
                                                   {"e", Op::html, 0, 0},
                                                   {"urlencode", Op::url, 0, 0},
                                                   {"safe", Op::safe, 0, 0}}};
  const size_t at = peek().at;
  const std::string_view wanted = name();
  const auto* found = std::ranges::find(filters, wanted, &Filter::name);
  if (found == filters.end()) {
    fail(at, fmt::format("there is no filter {}", wanted));
    return {};
  }
  Expression out = with(found->op, at, std::move(input));
  if (sign("(")) {
    while (!problem_ && !comes(")")) {
      out.arguments.push_back(expression());
      if (!sign(",")) break;
    }
    expect(")");
  }
  const size_t given = out.arguments.size() - 1;
  if (!problem_ && (given < found->least || given > found->most))
    fail(at, fmt::format("the filter {} takes {} arguments, not {}", wanted, found->most, given));
  if (out.op == Op::fallback && given == 0) out.arguments.push_back(Expression{.value = Value(std::string_view())});
  if (out.op == Op::fallback && given == 2) {  // default(x, true): for what is false or empty, too
    const bool* also = out.arguments[2].value.get<bool>();
    if (out.arguments[2].op != Op::literal || also == nullptr)
      fail(at, "default takes true or false as its second argument");
    if (also != nullptr && *also) out.op = Op::fallback_false;
    out.arguments.pop_back();
  }
  return out;
}

Expression ExpressionParser::primary() {
  const Token token = take();
  if (token.kind == Kind::string) return {.at = token.at, .value = Value(unquoted(token.text))};
  if (token.kind == Kind::number) return number(token, false);
  if (token.kind == Kind::sign) {
    if (token.text == "-" && peek().kind == Kind::number) return number(take(), true);
    if (token.text == "(") {
      Expression out = expression();
      expect(")");
      return out;
    }
    if (token.text == "#" && !jinja_) {
      const Token first = take();
      if (first.kind == Kind::name) return with(Op::length, token.at, path(first));
      fail(first.at, "expected a variable's name behind #");
      return {};
    }
  }
  if (token.kind == Kind::name) {
    if (token.text == "true" || (jinja_ && token.text == "True")) return {.at = token.at, .value = Value(true)};
    if (token.text == "false" || (jinja_ && token.text == "False")) return {.at = token.at, .value = Value(false)};
    if (token.text == (jinja_ ? "none" : "nil") || (jinja_ && token.text == "None")) return {.at = token.at};
    if (comes("(")) return function(token);
    if (!is_keyword(token.text)) return path(token);
  }
  fail(token.at, token.kind == Kind::end
                     ? std::string("expected an expression")
                     : fmt::format("expected an expression before {}", escape_line(token.text, 40)));
  return {};
}

Expression ExpressionParser::number(const Token& token, bool minus) {
  const std::string text = (minus ? "-" : "") + std::string(token.text);
  Expression out{.at = token.at};
  int64_t whole = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (error == std::errc() && end == text.data() + text.size()) {
    out.value = Value(whole);
    return out;
  }
  double real = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), real).ec != std::errc() || !std::isfinite(real))
    fail(token.at, "the number is out of range");
  out.value = Value(real);
  return out;
}

Expression ExpressionParser::path(const Token& first) {
  Expression out{.op = Op::path, .at = first.at};
  out.steps.push_back({.name = first.text, .index = {}});
  while (!problem_) {
    if (out.steps.size() > size_t{Limits::nesting}) {
      fail("the path is too long");
    } else if (sign(".")) {
      const Token step = take();
      if (step.kind == Kind::name)
        out.steps.push_back({.name = step.text, .index = {}});
      else
        fail(step.at, "expected a name behind the dot");
    } else if (sign("[")) {
      Step step;
      step.index.push_back(expression());
      out.steps.push_back(std::move(step));
      expect("]");
    } else {
      break;
    }
  }
  return out;
}

// The opening parenthesis comes next.
Expression ExpressionParser::function(const Token& name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> braces{{{"opening_double_curly", "{{"},
                                                                                 {"closing_double_curly", "}}"},
                                                                                 {"opening_triple_curly", "{{{"},
                                                                                 {"closing_triple_curly", "}}}"}}};
  take();
  Expression out{.at = name.at};
  const auto* brace = std::ranges::find(braces, name.text, [](const auto& pair) { return pair.first; });
  if (!jinja_ && brace != braces.end()) {
    out.value = Value(brace->second);
  } else if (!jinja_ && name.text == "empty") {
    out = with(Op::empty, name.at, expression());
  } else {
    fail(name.at, fmt::format("there is no {} {}()", jinja_ ? "function" : "macro", name.text));
  }
  expect(")");
  return out;
}

}  // namespace impulse::compose

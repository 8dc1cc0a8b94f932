#include "config/parser.h"

#include "base/text.h"
#include "config/diagnostic_ids.h"
#include "config/encoding.h"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>

namespace impulse::config {

namespace {

constexpr std::string_view keyword_include = "include";
constexpr std::string_view keyword_readonly_include = "readonly_include";

}  // namespace

Parser::Parser(const Source& source, DiagnosticSink& sink) : sink_(sink), lexer_(source.text, sink) {}

std::vector<Node> Parser::whole_text() {
  advance();
  statements(false);
  return take_from(0);
}

void Parser::advance(LexMode mode) {
  previous_end_ = token_.end;
  token_ = lexer_.next(mode);
  if (token_.kind == TokenKind::string && lexer_.line() != token_.place.line) {
    long_string_ = token_.place;
    long_string_end_ = lexer_.line();
  }
}

void Parser::go_back_to(const Token& token, size_t end_before, LexMode mode) {
  lexer_.resume_at(token);
  token_ = lexer_.next(mode);
  token_.trivia = token.trivia;
  token_.first_on_line = token.first_on_line;
  previous_end_ = end_before;
}

void Parser::statements(bool nested) {
  constexpr auto what = "the name of an option or a scope";
  for (;;) {
    switch (token_.kind) {
      case TokenKind::end:
        return;
      case TokenKind::word:
        after_value_ = statement();
        continue;
      case TokenKind::close_brace:
        if (nested) return;
        fail(what, "there is no '{' that this '}' would close");
        advance();
        continue;
      case TokenKind::semicolon:
        fail(what, "statements need no ';' at their end");
        advance();
        continue;
      case TokenKind::comma:
        fail(what, "write several values as ( a, b ), or quote a value that holds ','");
        break;
      case TokenKind::equals:
        fail(what, "quote a value that holds '='");
        break;
      case TokenKind::string:
        fail(what, after_value_ && !token_.first_on_line ? "write several values as ( a, b )" : "names have no quotes");
        break;
      default:
        fail(what);
    }
    recover();
  }
}

// True when it was an option. What cannot be one is passed over.
bool Parser::statement() {
  const Token name = token_;
  const std::string_view name_text = lexer_.text(name);
  on_line_of_value_ = after_value_ && !name.first_on_line;
  advance(LexMode::instance);
  if (iequals(name_text, keyword_include) || iequals(name_text, keyword_readonly_include)) return include(name);

  switch (token_.kind) {
    case TokenKind::equals: {
      const Token equals = token_;
      advance();
      if (token_.kind == TokenKind::open_brace) return scope(name, nullptr);
      if (!starts_value()) return value_missing(name, equals);
      if (token_.kind == TokenKind::word && token_.first_on_line) {
        // Is it the next statement's name? Then something follows on its line.
        const Token word = token_;
        advance();
        const bool alone =
            token_.first_on_line || token_.kind == TokenKind::close_brace || token_.kind == TokenKind::end;
        go_back_to(word, equals.end);
        if (!alone) return value_missing(name, equals);
      }
      return option(name);
    }
    case TokenKind::open_brace:
      return scope(name, nullptr);
    case TokenKind::open_bracket:
    case TokenKind::open_paren:
      return option(name);
    case TokenKind::word:
      if (token_.first_on_line) break;
      [[fallthrough]];
    case TokenKind::string: {
      const Token instance = token_;
      advance();
      if (token_.kind == TokenKind::equals) {
        const Token equals = token_;
        advance();
        if (token_.kind != TokenKind::open_brace) go_back_to(equals, instance.end);
      }
      return token_.kind == TokenKind::open_brace ? scope(name, &instance) : no_scope(name, instance);
    }
    default:
      break;
  }
  return no_statement(name);
}

// At what should have been "=", "{" or an instance.
bool Parser::no_statement(const Token& name) {
  if (sink_.full()) {
    sink_.count_error();
    if (token_.kind == TokenKind::word && token_.first_on_line) go_back_to(token_, previous_end_);
    recover();
    return false;
  }
  const std::string text = shown(lexer_.text(name));
  if (on_line_of_value_)
    sink_.error(
        id::syntax, name.place, name.end - name.begin, fmt::format("expected the end of the value, found {}", text),
        quote_hint().empty() ? "quote a value that holds spaces, or write several values as ( a, b )" : quote_hint());
  else if (token_.first_on_line || token_.kind == TokenKind::end)
    sink_.error(id::syntax, name.place, name.end - name.begin,
                fmt::format("expected '=' or '{{' behind {}, found end of line", text), quote_hint());
  else
    fail(fmt::format("'=' or '{{' behind {}", text));
  if (token_.kind == TokenKind::word && token_.first_on_line)
    go_back_to(token_, previous_end_);  // it was read as an instance
  recover();
  return false;
}

// At what should have been "{", behind a name and an instance.
bool Parser::no_scope(const Token& name, const Token& instance) {
  const std::string_view name_text = lexer_.text(name);
  const std::string_view instance_text = lexer_.text(instance);
  if (on_line_of_value_) return no_statement(name);
  if (sink_.full()) {
    sink_.count_error();
    recover();
    return false;
  }
  if (token_.first_on_line || token_.kind == TokenKind::close_brace || token_.kind == TokenKind::end)
    sink_.error(id::syntax, name.place, instance.end - name.begin,
                fmt::format("expected '=' behind {}, or '{{' behind {}", shown(name_text), shown(instance_text)),
                quote_hint().empty() ? fmt::format("to set an option, write {} = {}", escape_line(name_text, 48),
                                                   escape_line(instance_text, 48))
                                     : quote_hint());
  else
    fail(fmt::format("'{{' behind {} {}", escape_line(name_text, 48), escape_line(instance_text, 48)));
  recover();
  return false;
}

bool Parser::value_missing(const Token& name, const Token& equals) {
  if (sink_.full()) {
    sink_.count_error();
    recover();
    return false;
  }
  sink_.error(id::missing_value, equals.place, 1,
              fmt::format("expected a value behind '{} =', found {}", escape_line(lexer_.text(name), 48),
                          token_.first_on_line && token_.kind != TokenKind::end ? "end of line" : found()),
              "an empty value is written \"\"");
  recover();
  return false;
}

bool Parser::include(const Token& name) {
  if ((token_.kind != TokenKind::word && token_.kind != TokenKind::string) ||
      (token_.kind == TokenKind::word && token_.first_on_line)) {
    fail(fmt::format("a path behind {}", shown(lexer_.text(name))), "write include \"path\"");
    recover();
    return false;
  }
  IncludeNode node{text_of(token_), name.place, iequals(lexer_.text(name), keyword_readonly_include)};
  if (node.path.empty()) {
    fail(fmt::format("a path behind {}", shown(lexer_.text(name))));
    advance();
    return false;
  }
  advance();
  scratch_.emplace_back(std::move(node), Span(name.begin, previous_end_));
  return false;
}

// At the value.
bool Parser::option(const Token& name) {
  OptionNode node{lexer_.text(name), name.place, {}};
  if (!value(node.value)) return false;
  scratch_.emplace_back(std::move(node), Span(name.begin, previous_end_));
  return true;
}

// At the opening brace.
bool Parser::scope(const Token& name, const Token* instance) {
  const Token open = token_;
  if (too_deep(open)) {
    skip_block();
    return false;
  }
  const size_t base = scratch_.size();
  ScopeNode node{lexer_.text(name), name.place, std::nullopt, {}, {}, {open.begin, open.end}};
  if (instance != nullptr) {
    node.instance = text_of(*instance);
    node.instance_place = instance->place;
  }
  ++depth_;
  advance();
  after_value_ = false;
  statements(true);
  --depth_;
  node.body = take_from(base);
  if (token_.kind == TokenKind::close_brace) {
    advance();
  } else if (!unclosed_reported_) {
    unclosed_reported_ = true;  // once: the scopes around it have no end either
    sink_.error(id::unclosed, open.place, 1, "expected '}' to close this '{', found end of text",
                depth_ == 0 ? "" : fmt::format("nor have the {} around it", depth_));
  }
  node.braces = {open.begin, previous_end_};
  scratch_.emplace_back(std::move(node), Span(name.begin, previous_end_));
  return false;
}

// The statements from there on, which are a body.
std::vector<Node> Parser::take_from(size_t base) {
  const auto first = scratch_.begin() + static_cast<std::ptrdiff_t>(base);
  std::vector<Node> body(std::make_move_iterator(first), std::make_move_iterator(scratch_.end()));
  scratch_.erase(first, scratch_.end());
  return body;
}

// From the token that should not be there to the next statement: a name at the
// start of a line, or the brace that ends the scope. `open` says how many
// brackets and parentheses are open.
void Parser::recover(unsigned open) {
  // In an array "name =" can only be the next statement: its end was forgotten.
  const bool in_array = open > 0 && open_dictionaries_ == 0;
  open_values_ = open_dictionaries_ = 0;
  after_value_ = false;
  size_t blocks = 0;
  for (;; advance()) {
    switch (token_.kind) {
      case TokenKind::end:
        return;
      case TokenKind::open_brace:
        ++blocks, open = 0;
        break;
      case TokenKind::close_brace:
        if (blocks == 0) return;
        if (--blocks == 0) {
          advance();
          return;
        }
        break;
      case TokenKind::open_bracket:
      case TokenKind::open_paren:
        ++open;
        break;
      case TokenKind::close_bracket:
      case TokenKind::close_paren:
        if (open > 0 && --open == 0 && blocks == 0) {
          advance();
          return;
        }
        break;
      case TokenKind::word:
        if (blocks == 0 && token_.first_on_line && (open == 0 || (in_array && at_assignment()))) return;
        break;
      default:
        break;
    }
  }
}

// At a word: is "=" the next token?
bool Parser::at_assignment() {
  const Token word = token_;
  const size_t end_before = previous_end_;
  advance();
  const bool found = token_.kind == TokenKind::equals;
  go_back_to(word, end_before);
  return found;
}

// Over a whole { … } without looking at what is in it.
void Parser::skip_block() {
  size_t blocks = 0;
  for (;; advance()) {
    if (token_.kind == TokenKind::end) return;
    if (token_.kind == TokenKind::open_brace) ++blocks;
    if (token_.kind == TokenKind::close_brace && --blocks == 0) break;
  }
  advance();
}

std::string Parser::found() const {
  if (token_.kind == TokenKind::end) return "end of text";
  if (token_.kind == TokenKind::string) return fmt::format("the string {}", shown(text_of(token_)));
  return shown(lexer_.text(token_));
}

// A quote that was forgotten further up turns strings and the text between
// them inside out; it shows on the line where such a string ends.
std::string Parser::quote_hint() const {
  if (long_string_end_ == 0 || token_.place.line < long_string_end_ || token_.place.line > long_string_end_ + 1)
    return {};
  return fmt::format("is a quote missing in the string that begins at line {}, column {}?", long_string_.line,
                     long_string_.column);
}

bool Parser::fail(std::string expected, std::string hint) {
  if (sink_.full()) {
    sink_.count_error();
    return false;
  }
  if (std::string quote = quote_hint(); !quote.empty()) hint = std::move(quote);
  sink_.error(id::syntax, token_.place, token_.end - token_.begin,
              fmt::format("expected {}, found {}", expected, found()), std::move(hint));
  return false;
}

std::string Parser::text_of(const Token& token) const {
  const std::string_view text = lexer_.text(token);
  return token.kind == TokenKind::string ? unquote(text, token.unterminated) : std::string(text);
}

SyntaxTree parse(std::shared_ptr<const Source> source) {
  SyntaxTree tree;
  DiagnosticSink sink(source);
  if (source->text.size() > UINT32_MAX)
    sink.error(id::include_limit, {1, 1}, 1, "the file is larger than 4 GiB");
  else if (check_encoding(source->text, sink))
    tree.nodes = Parser(*source, sink).whole_text();
  tree.source = std::move(source);
  tree.diagnostics = sink.take();
  return tree;
}

}  // namespace impulse::config

// The parser's other half: values, alone and in a console line.
#include "config/diagnostic_ids.h"
#include "config/encoding.h"
#include "config/parser.h"

#include <fmt/format.h>

namespace impulse::config {

bool Parser::starts_value() const {
  return token_.kind == TokenKind::word || token_.kind == TokenKind::string || token_.kind == TokenKind::open_paren ||
         token_.kind == TokenKind::open_bracket;
}

bool Parser::too_deep(const Token& token) {
  if (depth_ < max_depth) return false;
  sink_.error(id::nesting, token.place, 1, fmt::format("nested deeper than {} levels", max_depth));
  return true;
}

// At its first token; behind it afterwards.
bool Parser::value(RawValue& out) {
  out.place = token_.place;
  out.span = {token_.begin, token_.end};
  switch (token_.kind) {
    case TokenKind::word:
    case TokenKind::string:
      out.kind = token_.kind == TokenKind::word ? RawValue::Kind::word : RawValue::Kind::string;
      out.text = text_of(token_);
      advance();
      return true;
    case TokenKind::open_paren:
    case TokenKind::open_bracket: {
      const bool is_array = token_.kind == TokenKind::open_paren;
      ++open_values_;
      if (!is_array) ++open_dictionaries_;
      if (too_deep(token_)) {
        recover(--open_values_);
        return false;
      }
      ++depth_;
      const bool read = is_array ? array(out) : dictionary(out);
      --depth_;
      if (!read) return false;
      --open_values_;
      if (!is_array) --open_dictionaries_;
      advance();
      out.span = {out.span.begin, previous_end_};
      return true;
    }
    default:
      fail("a value");
      recover(open_values_);
      return false;
  }
}

// Up to the closing parenthesis.
bool Parser::array(RawValue& out) {
  out.kind = RawValue::Kind::array;
  const Token open = token_;
  Token last = open;  // the item before
  size_t last_before = 0;
  bool comma = true;  // none may stand here
  advance();
  while (token_.kind != TokenKind::close_paren) {
    if (token_.kind == TokenKind::comma && !comma) {
      comma = true;
      advance();
      continue;
    }
    if (!starts_value()) {
      const std::string hint = fmt::format("the '(' is at line {}, column {}", open.place.line, open.place.column);
      const bool statement = token_.kind == TokenKind::equals || token_.kind == TokenKind::open_brace;
      if (statement && last.kind == TokenKind::word && last.first_on_line) {
        // The parenthesis was forgotten, and that word is the name of the next statement.
        go_back_to(last, last_before);
        fail("')' or a value", hint);
        recover();
      } else {
        fail("')' or a value", hint);
        recover(open_values_);
      }
      return false;
    }
    last = token_;
    last_before = previous_end_;
    comma = false;
    if (!value(out.items.emplace_back())) return false;
  }
  return true;
}

// Up to the closing bracket.
bool Parser::dictionary(RawValue& out) {
  out.kind = RawValue::Kind::dictionary;
  const Token open = token_;
  bool comma = true;
  advance();
  while (token_.kind != TokenKind::close_bracket) {
    if (token_.kind == TokenKind::comma && !comma) {
      comma = true;
      advance();
      continue;
    }
    comma = false;
    if (!entry(out, open)) return false;
  }
  return true;
}

bool Parser::entry(RawValue& dictionary, const Token& open) {
  const auto hint = [&] { return fmt::format("the '[' is at line {}, column {}", open.place.line, open.place.column); };
  if (token_.kind != TokenKind::word && token_.kind != TokenKind::string) {
    fail("']' or a key", hint());
    recover(open_values_);
    return false;
  }
  const Token name = token_;
  std::string key = text_of(name);
  advance();
  if (token_.kind == TokenKind::equals) {
    advance();
    if (!starts_value()) {
      fail(fmt::format("a value behind {} =", shown(key)), hint());
      recover(open_values_);
      return false;
    }
  } else if (token_.kind != TokenKind::open_paren && token_.kind != TokenKind::open_bracket) {
    fail(fmt::format("'=' behind {}", shown(key)), hint());
    recover(open_values_);
    return false;
  }
  return value(dictionary.entries.emplace_back(DictionaryEntry{std::move(key), {}}).second);
}

std::optional<RawValue> Parser::whole_value() {
  advance();
  RawValue result;
  if (!value(result)) return std::nullopt;
  if (token_.kind != TokenKind::end) {
    fail("the end of the value", "quote a value that holds spaces, or write several values as ( a, b )");
    return std::nullopt;
  }
  return result;
}

std::vector<RawValue> Parser::whole_line() {
  std::vector<RawValue> words;
  for (advance(LexMode::line); token_.kind != TokenKind::end;) {
    if (token_.kind == TokenKind::equals) {
      advance(LexMode::line);
    } else if (token_.kind == TokenKind::word || token_.kind == TokenKind::string) {
      RawValue& word = words.emplace_back();
      word.kind = token_.kind == TokenKind::word ? RawValue::Kind::word : RawValue::Kind::string;
      word.place = token_.place;
      word.span = {token_.begin, token_.end};
      word.text = text_of(token_);
      advance(LexMode::line);
    } else if (starts_value()) {
      if (!value(words.emplace_back())) {
        words.pop_back();
        break;
      }
      // The token behind it was read as part of a file's text.
      go_back_to(token_, previous_end_, LexMode::line);
    } else {
      fail("a word", "quote a word that holds it");
      break;
    }
  }
  return words;
}

ParsedValue parse_value(std::shared_ptr<const Source> source) {
  ParsedValue result;
  DiagnosticSink sink(source);
  if (check_encoding(source->text, sink)) result.value = Parser(*source, sink).whole_value();
  result.diagnostics = sink.take();
  if (has_errors(result.diagnostics)) result.value.reset();
  return result;
}

ParsedLine parse_line(std::shared_ptr<const Source> source) {
  ParsedLine result;
  DiagnosticSink sink(source);
  if (check_encoding(source->text, sink)) result.words = Parser(*source, sink).whole_line();
  result.diagnostics = sink.take();
  return result;
}

}  // namespace impulse::config

#include "base/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace impulse {

namespace {

// Enough for any sensible expression over a line; a runaway ends after some ms.
constexpr uint32_t match_limit = 1'000'000;
constexpr uint32_t heap_limit_kib = 4096;

struct FreeMatch {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

pcre2_match_context* limits() {
  static const std::unique_ptr<pcre2_match_context, FreeMatch> context = [] {
    std::unique_ptr<pcre2_match_context, FreeMatch> made(pcre2_match_context_create(nullptr));
    pcre2_set_match_limit(made.get(), match_limit);
    pcre2_set_heap_limit(made.get(), heap_limit_kib);
    return made;
  }();
  return context.get();
}

// One a thread: the block is reused by every match on it.
pcre2_match_data* scratch() {
  thread_local const std::unique_ptr<pcre2_match_data, FreeMatch> data(pcre2_match_data_create(1, nullptr));
  return data.get();
}

bool match(const pcre2_code* code, std::string_view subject, uint32_t options) {
  const auto* bytes = reinterpret_cast<PCRE2_SPTR>(subject.data() != nullptr ? subject.data() : "");
  return pcre2_match(code, bytes, subject.size(), 0, options, scratch(), limits()) >= 0;
}

}  // namespace

struct Pattern::Code {
  explicit Code(pcre2_code* made) : code(made) {}
  ~Code() { pcre2_code_free(code); }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  pcre2_code* code;
};

Result<Pattern> Pattern::compile(std::string_view expression, bool case_insensitive) {
  int error = 0;
  PCRE2_SIZE at = 0;
  // MATCH_INVALID_UTF: what is matched comes from the network.
  const uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | (case_insensitive ? PCRE2_CASELESS : 0U);
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data() != nullptr ? expression.data() : ""),
                                   expression.size(), options, &error, &at, nullptr);
  if (code == nullptr) {
    PCRE2_UCHAR text[256] = {};
    pcre2_get_error_message(error, text, sizeof text);
    return fail(Errc::invalid, "at {}: {}", at + 1, reinterpret_cast<const char*>(text));
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without it the interpreter matches
  Pattern pattern;
  pattern.text_ = expression;
  pattern.code_ = std::make_shared<const Code>(code);
  return pattern;
}

bool Pattern::matches(std::string_view subject) const { return match(code_->code, subject, 0); }

bool Pattern::matches_whole(std::string_view subject) const {
  // The JIT cannot anchor: it is asked for by an option of pcre2_match, which takes the interpreter then.
  return match(code_->code, subject, PCRE2_ANCHORED | PCRE2_ENDANCHORED);
}

}  // namespace impulse

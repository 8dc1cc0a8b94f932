#include "console/inject/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace impulse::ecinject {

namespace {

constexpr std::string_view header_begin =
    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\nX-Mailer: ec_inject\r\n";
constexpr size_t shown_recipients = 20;  // in To: more make a header section that is not like mail's

}  // namespace

Outcome<> Source::fill(uint64_t index, uint64_t most_recipients, Mail& mail) {
  Random random(rules_.seed, index);
  mail.index = index;
  rules_.sender.fill(index, 0, rules_.naming, random, mail.sender);
  const uint64_t count = std::min(rules_.recipients.draw(random), most_recipients);
  mail.recipients.resize(count);
  for (uint64_t i = 0; i < count; ++i) rules_.recipient.fill(index, i, rules_.naming, random, mail.recipients[i]);
  return fill_content(random, mail);
}

GeneratedSource::GeneratedSource(EnvelopeRules rules, Distribution sizes, std::string date, std::string host)
    : Source(rules),
      sizes_(std::move(sizes)),
      date_(std::move(date)),
      host_(std::move(host)),
      seed_(rules.seed),
      filler_(sizes_.largest()) {}

Outcome<> GeneratedSource::fill_content(Random& random, Mail& mail) {
  const uint64_t size = sizes_.draw(random);
  mail.stored.reset();
  mail.filler = &filler_;
  mail.subject.clear();
  fmt::format_to(std::back_inserter(mail.subject), "ec_inject {} of run {:x}", mail.index + 1, seed_);
  std::string& head = mail.head;
  head.clear();
  fmt::format_to(std::back_inserter(head),
                 "From: <{}>\r\nTo: ", mail.sender.empty() ? "ec_inject@localhost" : mail.sender);
  for (size_t i = 0; i < mail.recipients.size() && i < shown_recipients; ++i)
    fmt::format_to(std::back_inserter(head), "{}<{}>", i == 0 ? "" : ",\r\n ", mail.recipients[i]);
  fmt::format_to(std::back_inserter(head), "\r\nSubject: {}\r\nDate: {}\r\nMessage-ID: <{:x}.{}@{}>\r\n", mail.subject,
                 date_, seed_, mail.index + 1, host_);
  head += header_begin;
  head += "\r\n";
  mail.filler_size = size > head.size() ? static_cast<size_t>(size) - head.size() : 0;
  if (mail.filler_size == 1) mail.filler_size = 2;  // no line is so short
  return {};
}

}  // namespace impulse::ecinject

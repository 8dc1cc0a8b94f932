// A request's messages on their way into the spool: what is held for them, and
// whether there is room for all of them.
#include "server/http_injection.h"
#include "../net/certs.h"
#include "../net/kit.h"

#include <cppunit/extensions/HelperMacros.h>

#include <fmt/format.h>

#include <optional>
#include <span>
#include <string>

using namespace impulse;
using namespace impulse::server;

namespace {

// What nobody can store.
class Endless : public message::BodySink {
 public:
  Result<> append(std::string_view) override { return {}; }
  uint64_t size() const override { return uint64_t{1} << 60; }
};

class SomeMessages : public api::Job {
 public:
  SomeMessages(size_t total, bool endless) : total_(total), endless_(endless) {}
  size_t total() const override { return total_; }
  std::expected<spool::Incoming, api::Error> build(size_t index) override {
    spool::Incoming incoming;
    incoming.envelope.sender = "sender@example.com";
    incoming.envelope.recipients.push_back({"user@example.net"});
    incoming.envelope.received = wall_now();
    incoming.trace = "Received: by mx1 id ;\r\n";
    incoming.id_offset = 20;
    incoming.body.append("hello");
    if (endless_ && index + 1 == total_) incoming.rest = std::make_unique<Endless>();
    return incoming;
  }
  std::string answer(std::span<const MessageId>, std::string_view) const override { return "{}"; }
  std::string_view protocol() const override { return "HTTP"; }

 private:
  const size_t total_;
  const bool endless_;
};

class HttpInjectionTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(HttpInjectionTest);
  CPPUNIT_TEST(what_is_held_until_the_commit_ends);
  CPPUNIT_TEST(given_up_before_the_commit);
  CPPUNIT_TEST(receipts_tell_the_ids);
  CPPUNIT_TEST(given_up_before_the_receipt);
  CPPUNIT_TEST(all_of_it_has_to_fit);
  CPPUNIT_TEST_SUITE_END();

  using Ticket = Admission::Ticket;

  net::test::TempDir dir_;
  std::unique_ptr<net::Loop> loop_ = std::move(*net::Loop::create("test"));
  telemetry::Counters counters_;
  std::unique_ptr<telemetry::MailLogs> mainlog_ = std::move(*telemetry::MailLogs::open({.mainlog = dir_ / "mainlog"}));
  std::unique_ptr<spool::Spool> spool_;
  std::unique_ptr<inject::Injector> injector_;
  HttpDesk desk_;
  ThrottlePtr throttle_ = std::make_shared<Throttle>();
  const config::Rate rate_{2, std::chrono::hours(1)};
  std::optional<HttpInjection::Outcome> outcome_;

 public:
  void setUp() override {
    spool::Settings settings;
    settings.base = dir_ / "spool";
    settings.min_free_percent = 0;
    spool_ = std::move(*spool::Spool::open(settings, "mx1", nullptr, [](std::string_view) {}));
    injector_ = std::make_unique<inject::Injector>(*spool_, *mainlog_, counters_, [](inject::Accepted) {});
  }
  void tearDown() override { spool_.reset(); }

 private:
  std::unique_ptr<HttpInjection> begin(size_t total, HttpInjection::MakeReceipt receipt, HttpInjection::Held held,
                                       bool endless = false) {
    return std::make_unique<HttpInjection>(
        *injector_, *loop_, std::make_unique<SomeMessages>(total, endless),
        [](const spool::Incoming&) -> std::optional<api::Error> { return std::nullopt; }, std::move(receipt),
        std::move(held), [this](HttpInjection::Outcome outcome) { outcome_ = std::move(outcome); });
  }
  HttpInjection::Held held() {
    CPPUNIT_ASSERT(throttle_->take(rate_, loop_->now(), 2));
    return {desk_.claim("key"), std::make_shared<Ticket>(throttle_, 2)};
  }

  // The client is gone while its request is being made durable.
  void what_is_held_until_the_commit_ends() {
    for (const size_t total : {size_t{2}, size_t{1}}) {
      throttle_ = std::make_shared<Throttle>();
      HttpInjection::MakeReceipt receipt;
      if (total > 1)
        receipt = [](auto) { return spool::Receipt{"owner", "key", "value", wall_now() + std::chrono::hours(1)}; };
      auto injection = begin(total, receipt, held());
      injection->start();
      net::test::run_until(*loop_, [&] { return injection->committing(); }, "the commit");
      injection.reset();
      CPPUNIT_ASSERT(!desk_.claim("key"));
      net::test::run_until(*loop_, [&] { return desk_.claim("key") != nullptr; }, "the end of the commit");
      if (total > 1) CPPUNIT_ASSERT((*injector_->receipt("owner", "key")).has_value());
      CPPUNIT_ASSERT(throttle_->full(rate_, loop_->now()));
      CPPUNIT_ASSERT(!outcome_);
    }
  }

  void given_up_before_the_commit() {
    auto injection = begin(2, nullptr, held());
    CPPUNIT_ASSERT(!desk_.claim("key"));
    injection.reset();
    CPPUNIT_ASSERT(desk_.claim("key"));
    CPPUNIT_ASSERT(!throttle_->full(rate_, loop_->now()));
  }

  // What is remembered with the messages knows how they are called.
  void receipts_tell_the_ids() {
    for (const size_t total : {size_t{1}, size_t{3}}) {
      outcome_.reset();
      const auto told = [](std::span<const MessageId> ids) {
        std::string out;
        for (const MessageId id : ids) out += id.to_string("mx1") + " ";
        return out;
      };
      const auto receipt = [&](std::span<const MessageId> ids) {
        return spool::Receipt{"owner", fmt::format("{}", total), told(ids), wall_now() + std::chrono::hours(1)};
      };
      auto injection = begin(total, receipt, {});
      injection->start();
      net::test::run_until(*loop_, [&] { return outcome_.has_value(); }, "an answer");
      const auto ids = std::get<std::vector<MessageId>>(*outcome_);
      CPPUNIT_ASSERT_EQUAL(total, ids.size());
      CPPUNIT_ASSERT_EQUAL(told(ids), (*injector_->receipt("owner", fmt::format("{}", total)))->value);
    }
  }

  void given_up_before_the_receipt() {
    bool asked = false;
    auto injection = begin(
        2,
        [&](auto) {
          asked = true;
          return spool::Receipt{"owner", "key", "value", wall_now() + std::chrono::hours(1)};
        },
        held());
    injection->start();
    injection.reset();
    CPPUNIT_ASSERT(desk_.claim("key"));
    bool turned = false;
    loop_->post([&] { turned = true; });
    net::test::run_until(*loop_, [&] { return turned; }, "a turn");
    CPPUNIT_ASSERT(!asked && !*injector_->receipt("owner", "key"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool_->status().messages);
  }

  void all_of_it_has_to_fit() {
    for (const size_t total : {size_t{1}, size_t{3}}) {
      outcome_.reset();
      auto injection = begin(total, nullptr, {}, true);
      injection->start();
      net::test::run_until(*loop_, [&] { return outcome_.has_value(); }, "an answer");
      const auto* error = std::get_if<Error>(&*outcome_);
      CPPUNIT_ASSERT(error != nullptr);
      CPPUNIT_ASSERT(error->code == Errc::no_space);
    }
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, counters_.value(telemetry::Counter::messages_received));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(HttpInjectionTest);

}  // namespace

// Every mechanism against GNU SASL's own client side: right, wrong, truncated,
// replayed, and as somebody who is not there.
#include "auth/sasl.h"
#include "auth/password.h"
#include "sasl_client.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cppunit/extensions/HelperMacros.h>

#include <atomic>
#include <cstdlib>
#include <thread>

using namespace impulse;
using namespace impulse::auth;
using namespace std::string_literals;

namespace {

using Client = auth::test::SaslClient;

std::string hmac(const EVP_MD* hash, const std::string& key, const std::string& text) {
  std::string out(EVP_MAX_MD_SIZE, '\0');
  unsigned int length = 0;
  HMAC(hash, key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       reinterpret_cast<unsigned char*>(out.data()), &length);
  out.resize(length);
  return out;
}

std::string digest(const EVP_MD* hash, const std::string& text) {
  std::string out(EVP_MAX_MD_SIZE, '\0');
  unsigned int length = 0;
  EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(out.data()), &length, hash, nullptr);
  out.resize(length);
  return out;
}

// The line of a scram file, by RFC 5802.
std::string scram_line(const std::string& user, const std::string& mechanism, const std::string& password) {
  const EVP_MD* hash = mechanism == "SCRAM-SHA-1" ? EVP_sha1() : EVP_sha256();
  const std::string salt = "0123456789abcdef";
  std::string salted(static_cast<size_t>(EVP_MD_get_size(hash)), '\0');
  PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                    reinterpret_cast<const unsigned char*>(salt.data()), static_cast<int>(salt.size()), 4096, hash,
                    static_cast<int>(salted.size()), reinterpret_cast<unsigned char*>(salted.data()));
  return fmt::format("{}:{}$4096:{}${}:{}\n", user, mechanism, to_base64(salt),
                     to_base64(digest(hash, hmac(hash, salted, "Client Key"))),
                     to_base64(hmac(hash, salted, "Server Key")));
}

std::string hex(const std::string& bytes) {
  std::string text;
  for (const unsigned char c : bytes) text += fmt::format("{:02x}", c);
  return text;
}

// A file with alice, whose password is sesame, and bob in it.
std::shared_ptr<const Credentials> credentials(Mechanism mechanism, Format format) {
  std::string text;
  switch (format) {
    case Format::file:
      text = "alice:sesame\nbob:other\n";
      break;
    case Format::digest:
      text = "alice:home:" + hex(digest(EVP_md5(), "alice:home:sesame")) +
             "\nbob:home:" + hex(digest(EVP_md5(), "bob:home:other")) + "\n";
      break;
    case Format::digest_cleartext:
      text = "alice:home:sesame\nbob:home:other\n";
      break;
    case Format::scram:
      text = scram_line("alice", std::string(name(without_binding(mechanism))), "sesame") +
             scram_line("bob", std::string(name(without_binding(mechanism))), "other");
      break;
  }
  std::vector<BadLine> bad;
  auto all = Credentials::parse(format, text, bad);
  CPPUNIT_ASSERT(bad.empty());
  return all;
}

struct Way {
  Mechanism mechanism;
  Format format;
};
constexpr Way ways[] = {{Mechanism::scram_sha_256, Format::scram}, {Mechanism::scram_sha_1, Format::scram},
                        {Mechanism::digest_md5, Format::digest},   {Mechanism::digest_md5, Format::digest_cleartext},
                        {Mechanism::digest_md5, Format::file},     {Mechanism::cram_md5, Format::file},
                        {Mechanism::plain, Format::file},          {Mechanism::login, Format::file}};

using State = SaslExchange::State;

struct Outcome {
  State state = State::failed;
  std::vector<std::string> challenges;
  std::vector<std::string> responses;
};

class SaslTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(SaslTest);
  CPPUNIT_TEST(the_right_password);
  CPPUNIT_TEST(the_wrong_password);
  CPPUNIT_TEST(nobody_looks_like_somebody);
  CPPUNIT_TEST(as_somebody_else);
  CPPUNIT_TEST(cut_short);
  CPPUNIT_TEST(replayed);
  CPPUNIT_TEST(garbage);
  CPPUNIT_TEST(the_last_word_is_empty);
  CPPUNIT_TEST(bound_to_the_channel);
  CPPUNIT_TEST(nobody_takes_the_binding_away);
  CPPUNIT_TEST(proven_and_not_admitted);
  CPPUNIT_TEST(under_another_name_in_the_file);
  CPPUNIT_TEST(questions_of_login);
  CPPUNIT_TEST(many_threads);
  CPPUNIT_TEST_SUITE_END();

  std::unique_ptr<Sasl> sasl_ = std::move(*Sasl::create());

  static SaslSettings settings_for(const Way& way) {
    return {way.mechanism,
            credentials(way.mechanism, way.format),
            way.format == Format::digest || way.format == Format::digest_cleartext,
            "home",
            "mx.example.com",
            "impulse"};
  }
  std::unique_ptr<SaslExchange> begin(const Way& way) {
    auto exchange = sasl_->begin(settings_for(way));
    CPPUNIT_ASSERT(exchange);
    return std::move(*exchange);
  }

  static Outcome talk(SaslExchange& exchange, Client& client) {
    Outcome outcome;
    std::string response;
    if (is_client_first(exchange.mechanism())) response = client.step("");
    for (int rounds = 0; rounds < 10; ++rounds) {
      outcome.responses.push_back(response);
      const auto step = exchange.step(response);
      outcome.state = step.state;
      if (step.state != State::more) return outcome;
      outcome.challenges.push_back(step.output);
      response = client.step(step.output);
      if (client.code != GSASL_OK && client.code != GSASL_NEEDS_MORE) response = "";
    }
    CPPUNIT_FAIL("an exchange without an end");
    return outcome;
  }

  Outcome attempt(const Way& way, const std::string& user, const std::string& password, const std::string& as = {}) {
    Client client(std::string(name(way.mechanism)), user, password, as);
    const auto exchange = begin(way);
    Outcome outcome = talk(*exchange, client);
    if (outcome.state == State::done) {
      CPPUNIT_ASSERT_EQUAL(user, exchange->user());
      CPPUNIT_ASSERT_EQUAL(size_t{32}, exchange->fingerprint().size());
      CPPUNIT_ASSERT_EQUAL_MESSAGE("the client is content with us too", int{GSASL_OK}, client.code);
    } else {
      CPPUNIT_ASSERT(exchange->fingerprint().empty());
      CPPUNIT_ASSERT(exchange->step("").state == State::failed);  // it is over
    }
    return outcome;
  }

  // With a TLS connection whose tls-exporter is "there", and no tls-unique.
  std::unique_ptr<SaslExchange> bound(Mechanism mechanism) {
    SaslSettings settings{mechanism, credentials(mechanism, Format::scram), false, "", "mx.example.com", "smtp"};
    settings.channel_binding = [](std::string_view type) {
      return type == "tls-exporter" ? std::optional<std::string>("there\0end"s) : std::nullopt;
    };
    auto exchange = sasl_->begin(std::move(settings));
    CPPUNIT_ASSERT(exchange);
    return std::move(*exchange);
  }

  void bound_to_the_channel() {
    for (const Mechanism mechanism : {Mechanism::scram_sha_256_plus, Mechanism::scram_sha_1_plus}) {
      const auto attempt = [&](Gsasl_property type, const std::string& bytes, const std::string& password) {
        Client client(std::string(name(mechanism)), "alice", password);
        client.bind(type, to_base64(bytes));
        const auto exchange = bound(mechanism);
        const State state = talk(*exchange, client).state;
        if (state == State::done) CPPUNIT_ASSERT_EQUAL("alice"s, exchange->user());
        return state;
      };
      CPPUNIT_ASSERT(attempt(GSASL_CB_TLS_EXPORTER, "there\0end"s, "sesame") == State::done);
      CPPUNIT_ASSERT(attempt(GSASL_CB_TLS_EXPORTER, "there\0end"s, "wrong") == State::failed);
      CPPUNIT_ASSERT(attempt(GSASL_CB_TLS_EXPORTER, "there\0other"s, "sesame") == State::failed);
      CPPUNIT_ASSERT(attempt(GSASL_CB_TLS_UNIQUE, "there\0end"s, "sesame") == State::failed);
      for (const char* header : {"n,,", "y,,", "p=tls-server-end-point,,", "p=,,", "p=tls-exporter,a=bob,"}) {
        const auto exchange = bound(mechanism);
        CPPUNIT_ASSERT_MESSAGE(header, exchange->step(header + "n=alice,r=nonce"s).state == State::failed ||
                                           exchange->step("c=eA==,r=nonce,p=eA=="s).state == State::failed);
      }
    }
  }
  // RFC 5802, section 6: "y" says that the client saw no PLUS.
  void nobody_takes_the_binding_away() {
    const Mechanism mechanism = Mechanism::scram_sha_256;
    CPPUNIT_ASSERT(bound(mechanism)->step("y,,n=alice,r=nonce").state == State::failed);
    CPPUNIT_ASSERT(bound(mechanism)->step("p=tls-exporter,,n=alice,r=nonce").state == State::failed);
    CPPUNIT_ASSERT(begin({mechanism, Format::scram})->step("p=tls-exporter,,n=alice,r=nonce").state == State::failed);
    CPPUNIT_ASSERT(begin({mechanism, Format::scram})->step("y,,n=alice,r=nonce").state == State::more);
    // Who cannot bind a channel comes in without.
    Client client("SCRAM-SHA-256", "alice", "sesame");
    const auto exchange = bound(mechanism);
    CPPUNIT_ASSERT(talk(*exchange, client).state == State::done);
  }
  // As a tenant's users stand in a file: one client's alice is the file's alice,
  // another's is bob there.
  void under_another_name_in_the_file() {
    for (const Way& way : ways) {
      const auto attempt = [&](const char* entry, const std::string& password) {
        SaslSettings settings = settings_for(way);
        settings.entry = [entry](std::string_view user) {
          CPPUNIT_ASSERT(user == "who");
          return std::string(entry);
        };
        Client client(std::string(name(way.mechanism)), "who", password);
        const auto exchange = std::move(*sasl_->begin(std::move(settings)));
        const State state = talk(*exchange, client).state;
        CPPUNIT_ASSERT_MESSAGE(about(way), exchange->user() == "who");
        return state;
      };
      // Its hash is of the name that the client says.
      const State known = way.format == Format::digest ? State::failed : State::done;
      CPPUNIT_ASSERT_MESSAGE(about(way), attempt("alice", "sesame") == known);
      CPPUNIT_ASSERT_MESSAGE(about(way), attempt("bob", "other") == known);
      CPPUNIT_ASSERT_MESSAGE(about(way), attempt("bob", "sesame") == State::failed);
      CPPUNIT_ASSERT_MESSAGE(about(way), attempt("who", "sesame") == State::failed);
    }
  }

  void proven_and_not_admitted() {
    for (const Way& way : ways) {
      std::vector<std::string> asked;
      SaslSettings settings = settings_for(way);
      settings.admits = [&](std::string_view user) {
        asked.emplace_back(user);
        return false;
      };
      Client client(std::string(name(way.mechanism)), "alice", "sesame");
      const auto exchange = std::move(*sasl_->begin(std::move(settings)));
      if (is_scram(way.mechanism)) {
        // Nor is the server's signature sent, which would tell that the proof was good.
        const auto challenge = exchange->step(client.step(""));
        const auto end = exchange->step(client.step(challenge.output));
        CPPUNIT_ASSERT_MESSAGE(about(way), end.state == State::failed && end.output.empty());
      } else {
        CPPUNIT_ASSERT_MESSAGE(about(way), talk(*exchange, client).state == State::failed);
      }
      CPPUNIT_ASSERT_MESSAGE(about(way), asked == std::vector<std::string>{"alice"});
      CPPUNIT_ASSERT_MESSAGE(about(way), exchange->user() == "alice" && exchange->fingerprint().empty());
    }
  }
  void questions_of_login() {
    const auto questions = [&](const std::string& service) {
      auto exchange = std::move(*sasl_->begin(
          {Mechanism::login, credentials(Mechanism::login, Format::file), false, "", "mx.example.com", service}));
      const std::string first = exchange->step("").output;
      return first + " " + exchange->step("alice").output;
    };
    CPPUNIT_ASSERT_EQUAL("Username: Password:"s, questions("smtp"));
    CPPUNIT_ASSERT_EQUAL("User Name Password"s, questions("impulse"));
  }
  // One library, an exchange in each of many threads.
  void many_threads() {
    std::atomic<int> good = 0;
    std::atomic<int> bad = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
      threads.emplace_back([&, i] {
        const Way& way = ways[static_cast<size_t>(i)];
        for (int round = 0; round < 20; ++round) {
          const bool right = round % 2 == 0;
          Client client(std::string(name(way.mechanism)), "alice", right ? "sesame" : "wrong");
          const auto exchange = begin(way);
          ++(talk(*exchange, client).state == State::done ? good : bad);
        }
      });
    for (std::thread& thread : threads) thread.join();
    CPPUNIT_ASSERT_EQUAL(80, good.load());
    CPPUNIT_ASSERT_EQUAL(80, bad.load());
  }

  static std::string about(const Way& way) {
    return fmt::format("{} from format {}", name(way.mechanism), static_cast<int>(way.format));
  }

  void the_right_password() {
    for (const Way& way : ways)
      CPPUNIT_ASSERT_MESSAGE(about(way), attempt(way, "alice", "sesame").state == State::done);
  }
  void the_wrong_password() {
    for (const Way& way : ways) {
      CPPUNIT_ASSERT_MESSAGE(about(way), attempt(way, "alice", "sesam").state == State::failed);
      CPPUNIT_ASSERT_MESSAGE(about(way), attempt(way, "alice", "sesame ").state == State::failed);
      CPPUNIT_ASSERT_MESSAGE(about(way), attempt(way, "bob", "sesame").state == State::failed);
      CPPUNIT_ASSERT_MESSAGE(about(way), attempt(way, "alice", "other").state == State::failed);
    }
  }
  // Who asks cannot tell a user who is not there from a wrong password.
  void nobody_looks_like_somebody() {
    for (const Way& way : ways) {
      const Outcome known = attempt(way, "alice", "wrong");
      const Outcome unknown = attempt(way, "mallory", "wrong");
      CPPUNIT_ASSERT_MESSAGE(about(way), unknown.state == State::failed);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(about(way), known.challenges.size(), unknown.challenges.size());
      if (way.format != Format::scram) continue;
      const auto salt = [](const std::string& challenge) {
        const size_t at = challenge.find(",s=");
        return challenge.substr(at, challenge.find(",i=") - at);
      };
      const std::string again = attempt(way, "mallory", "wrong").challenges.front();
      CPPUNIT_ASSERT_EQUAL(salt(unknown.challenges.front()), salt(again));
      CPPUNIT_ASSERT(salt(known.challenges.front()) != salt(again));
      CPPUNIT_ASSERT_EQUAL(known.challenges.front().size(), again.size());
    }
  }
  void as_somebody_else() {
    for (const Way& way : ways) {
      if (way.mechanism == Mechanism::cram_md5 || way.mechanism == Mechanism::login)
        continue;  // they have no such thing
      CPPUNIT_ASSERT_MESSAGE(about(way), attempt(way, "alice", "sesame", "bob").state == State::failed);
      CPPUNIT_ASSERT_MESSAGE(about(way), attempt(way, "alice", "sesame", "alice").state == State::done);
    }
  }
  // Each response but the empty ones, without its last byte, ends the exchange badly.
  void cut_short() {
    for (const Way& way : ways) {
      const size_t rounds = attempt(way, "alice", "sesame").responses.size();
      for (size_t cut = 0; cut < rounds; ++cut) {
        Client client(std::string(name(way.mechanism)), "alice", "sesame");
        const auto exchange = begin(way);
        std::string response = is_client_first(way.mechanism) ? client.step("") : "";
        bool cut_any = false;
        SaslExchange::Step step;
        for (size_t round = 0; round < 10; ++round) {
          if (round == cut && !response.empty()) {
            response.pop_back();
            cut_any = true;
          }
          step = exchange->step(response);
          if (step.state != State::more) break;
          response = client.step(step.output);
        }
        if (cut_any) CPPUNIT_ASSERT_MESSAGE(fmt::format("{}, {}", about(way), cut), step.state == State::failed);
      }
    }
  }
  // What was heard once does not open the door again, where no password is sent.
  void replayed() {
    for (const Way& way : ways) {
      if (sends_password(way.mechanism)) continue;
      const Outcome heard = attempt(way, "alice", "sesame");
      CPPUNIT_ASSERT(heard.state == State::done);
      const auto exchange = begin(way);
      State state = State::more;
      for (size_t i = 0; i < heard.responses.size() && state == State::more; ++i)
        state = exchange->step(heard.responses[i]).state;
      CPPUNIT_ASSERT_MESSAGE(about(way), state == State::failed);
    }
  }
  void garbage() {
    for (const Way& way : ways)
      for (const std::string& response :
           {"x"s, ","s, "n,,"s, "n,,n=,r="s, "\0"s, "\0\0"s, "alice\0\0"s, std::string(100000, 'a'),
            "n,,n=alice,r=\xff\xfe"s, "username=\"alice"s, "alice "s, ""s}) {
        const auto exchange = begin(way);
        State state = State::more;
        for (int i = 0; i < 10 && state == State::more; ++i) state = exchange->step(response).state;
        CPPUNIT_ASSERT_MESSAGE(about(way), state == State::failed);
      }
  }
  // Behind the server's proof nothing but consent may come.
  void the_last_word_is_empty() {
    const Way way = ways[0];
    Client client("SCRAM-SHA-256", "alice", "sesame");
    const auto exchange = begin(way);
    CPPUNIT_ASSERT(exchange->step("").state == State::more);  // no initial response
    const auto first = exchange->step(client.step(""));
    const auto proof = exchange->step(client.step(first.output));
    CPPUNIT_ASSERT(proof.state == State::more && proof.output.starts_with("v="));
    CPPUNIT_ASSERT(exchange->step("no").state == State::failed);
    CPPUNIT_ASSERT(exchange->step("").state == State::failed);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(SaslTest);

}  // namespace

#include "auth/sasl_client.h"

#include "base/text.h"

#include <gsasl.h>

#include <algorithm>
#include <utility>

namespace impulse::auth {

namespace {

constexpr int most_steps = 8;

// Only read once it is there, as Sasl's own.
Gsasl* library() {
  static Gsasl* const made = [] {
    Gsasl* context = nullptr;
    return gsasl_init(&context) == GSASL_OK ? context : nullptr;
  }();
  return made;
}

// RFC 5802 §5.1: "r=…,s=…,i=4096".
bool asks_too_much(std::string_view challenge) {
  return std::ranges::any_of(split(challenge, ','), [](std::string_view attribute) {
    return attribute.starts_with("i=") && !parse_unsigned(attribute.substr(2), SaslClient::most_iterations);
  });
}

}  // namespace

SaslClient::SaslClient(std::string_view mechanism, ClientIdentity identity)
    : mechanism_(mechanism), identity_(std::move(identity)) {}

SaslClient::~SaslClient() {
  if (session_ != nullptr) gsasl_finish(session_);
}

Result<std::unique_ptr<SaslClient>> SaslClient::begin(std::string_view mechanism, ClientIdentity identity) {
  const auto known = client_mechanisms();
  const auto found = std::ranges::find_if(known, [&](std::string_view each) { return iequals(each, mechanism); });
  if (found == known.end()) return fail(Errc::unavailable, "there is no mechanism {}", escape_line(mechanism, 40));
  std::unique_ptr<SaslClient> made(new SaslClient(*found, std::move(identity)));
  if (*found == "XOAUTH2") return made;
  if (library() == nullptr || gsasl_client_start(library(), found->data(), &made->session_) != GSASL_OK)
    return fail(Errc::unavailable, "GNU SASL has no {} here", *found);
  if (gsasl_property_set(made->session_, GSASL_AUTHID, made->identity_.user.c_str()) != GSASL_OK ||
      gsasl_property_set(made->session_, GSASL_PASSWORD, made->identity_.password.c_str()) != GSASL_OK)
    return fail(Errc::unavailable, "GNU SASL is out of memory");
  return made;
}

bool SaslClient::speaks_first() const { return mechanism_ != "LOGIN" && mechanism_ != "CRAM-MD5"; }

Result<std::string> SaslClient::step(std::string_view challenge) {
  if (++steps_ > most_steps) return fail(Errc::invalid, "the server asks without end");
  if (mechanism_ == "XOAUTH2") {
    // A challenge behind the token is an error's description; it wants an empty response (and then comes 535).
    if (std::exchange(complete_, true)) return std::string();
    return "user=" + identity_.user + "\1auth=Bearer " + identity_.password + "\1\1";
  }
  if (complete_)
    return challenge.empty() ? Result<std::string>(std::string()) : fail(Errc::invalid, "the server asks for more");
  if (mechanism_.starts_with("SCRAM-") && asks_too_much(challenge))
    return fail(Errc::invalid, "the server asks for more than {} iterations", most_iterations);
  char* output = nullptr;
  size_t size = 0;
  const int code = gsasl_step(session_, challenge.data(), challenge.size(), &output, &size);
  std::string response(output == nullptr ? "" : output, output == nullptr ? 0 : size);
  gsasl_free(output);
  if (code != GSASL_OK && code != GSASL_NEEDS_MORE) return fail(Errc::invalid, "{}", gsasl_strerror(code));
  complete_ = code == GSASL_OK;
  return response;
}

}  // namespace impulse::auth

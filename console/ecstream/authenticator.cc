#include "console/ecstream/authenticator.h"

#include "base/text.h"

#include <gsasl.h>

#include <algorithm>
#include <array>

namespace impulse::console {

namespace {

struct Row {
  std::string_view name;
  bool client_first;
  bool sends_password;
};

// The best first.
constexpr std::array rows{
    Row{"SCRAM-SHA-256", true, false}, Row{"SCRAM-SHA-1", true, false}, Row{"CRAM-MD5", false, false},
    Row{"PLAIN", true, true},          Row{"LOGIN", false, true},
};
constexpr std::string_view external = "EXTERNAL";

}  // namespace

struct SaslAuthenticator::Exchange {
  Gsasl* library = nullptr;
  Gsasl_session* session = nullptr;
  bool complete = false;  // the mechanism has nothing more to hear

  Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange() {
    if (session != nullptr) gsasl_finish(session);
    if (library != nullptr) gsasl_done(library);
  }
};

SaslAuthenticator::SaslAuthenticator(std::string user, std::string password, std::string host, bool confidential)
    : user_(std::move(user)), password_(std::move(password)), host_(std::move(host)), confidential_(confidential) {}
SaslAuthenticator::~SaslAuthenticator() = default;

std::string SaslAuthenticator::choose(std::string_view mechanisms) {
  const std::vector<std::string_view> offered = words(mechanisms);
  const auto has = [&](std::string_view name) {
    return std::find(offered.begin(), offered.end(), name) != offered.end();
  };
  mechanism_.clear();
  exchange_.reset();
  if (user_.empty()) {
    if (has(external)) mechanism_ = external;
    return mechanism_;
  }
  for (const Row& row : rows) {
    if (!has(row.name) || (row.sends_password && !confidential_)) continue;
    mechanism_ = row.name;
    break;
  }
  return mechanism_;
}

Result<std::optional<std::string>> SaslAuthenticator::step(std::optional<std::string_view> challenge) {
  if (mechanism_ == external) return std::string();
  if (!exchange_) {
    exchange_ = std::make_unique<Exchange>();
    if (gsasl_init(&exchange_->library) != GSASL_OK ||
        gsasl_client_start(exchange_->library, mechanism_.c_str(), &exchange_->session) != GSASL_OK)
      return fail(Errc::unavailable, "GNU SASL does not know {}", mechanism_);
    gsasl_property_set(exchange_->session, GSASL_AUTHID, user_.c_str());
    gsasl_property_set(exchange_->session, GSASL_PASSWORD, password_.c_str());
    gsasl_property_set(exchange_->session, GSASL_HOSTNAME, host_.c_str());
    gsasl_property_set(exchange_->session, GSASL_SERVICE, "smtp");
  }
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& each) { return each.name == mechanism_; });
  if (!challenge && !row->client_first) return std::nullopt;
  // A challenge behind the end can only be asking for an empty answer.
  if (exchange_->complete) return std::string();
  char* output = nullptr;
  size_t size = 0;
  const int state = gsasl_step(exchange_->session, challenge ? challenge->data() : nullptr,
                               challenge ? challenge->size() : 0, &output, &size);
  const std::string response(output != nullptr ? output : "", output != nullptr ? size : 0);
  gsasl_free(output);
  if (state != GSASL_OK && state != GSASL_NEEDS_MORE)
    return fail(Errc::denied, "{}: {}", mechanism_, gsasl_strerror(state));
  exchange_->complete = state == GSASL_OK;
  return response;
}

// SCRAM: the server has proved that it knows the password, too.
Result<> SaslAuthenticator::finish() {
  if (exchange_ && !exchange_->complete && mechanism_.starts_with("SCRAM"))
    return fail(Errc::denied, "the server did not prove that it knows the password");
  return {};
}

}  // namespace impulse::console

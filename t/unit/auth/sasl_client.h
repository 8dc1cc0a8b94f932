// The other side of an exchange: what a client of GNU SASL says. For tests and
// fuzz targets.
#pragma once

#include <gsasl.h>

#include <cstdlib>
#include <string>

namespace impulse::auth::test {

class SaslClient {
 public:
  SaslClient(const std::string& mechanism, const std::string& user, const std::string& password,
             const std::string& as = {}) {
    if (gsasl_init(&library_) != GSASL_OK) std::abort();
    if (gsasl_client_start(library_, mechanism.c_str(), &session_) != GSASL_OK) std::abort();
    gsasl_property_set(session_, GSASL_AUTHID, user.c_str());
    gsasl_property_set(session_, GSASL_PASSWORD, password.c_str());
    gsasl_property_set(session_, GSASL_SERVICE, "impulse");
    gsasl_property_set(session_, GSASL_HOSTNAME, "mx.example.com");
    if (!as.empty()) gsasl_property_set(session_, GSASL_AUTHZID, as.c_str());
  }
  ~SaslClient() {
    gsasl_finish(session_);
    gsasl_done(library_);
  }
  SaslClient(const SaslClient&) = delete;
  SaslClient& operator=(const SaslClient&) = delete;

  // Base64 of the bytes that tie it to a TLS connection.
  void bind(Gsasl_property type, const std::string& bytes) { gsasl_property_set(session_, type, bytes.c_str()); }

  // The response to a challenge; `code` is what GNU SASL thinks of it.
  std::string step(const std::string& challenge) {
    char* output = nullptr;
    size_t length = 0;
    code = gsasl_step(session_, challenge.data(), challenge.size(), &output, &length);
    std::string response(output == nullptr ? "" : output, length);
    std::free(output);  // NOLINT(cppcoreguidelines-no-malloc): it comes from a C library
    return response;
  }
  int code = GSASL_NEEDS_MORE;

 private:
  Gsasl* library_ = nullptr;
  Gsasl_session* session_ = nullptr;
};

}  // namespace impulse::auth::test

// HttpGate: who a HTTP request comes from: by API key, by name and password, or
// by what the connection proves; and what is said to those it does not believe.
#pragma once

#include "auth/key_rights.h"
#include "http/message.h"
#include "server/auth_desk.h"
#include "server/http_rules.h"

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace impulse::server {

// Who asks.
struct HttpCaller {
  bool known = false;  // authenticated; else anybody
  std::string user;    // may be empty all the same: a verified certificate that stands for nobody
  std::string tenant;  // whose mail it will be
  auth::Rights rights;
  bool by_key = false;  // an API key, and not by Basic: browsers send none by themselves
};

// Why a request is not taken. Becomes a Response, and a line in the logs.
struct HttpRefusal {
  int status = 403;
  std::string_view code;   // of the JSON error; a literal
  std::string_view cause;  // as smtp::Refusal::cause; a literal
  std::string reason;
  unsigned retry_after = 0;  // seconds; 0: not said
  bool close = false;
};
HttpRefusal to_http(const smtp::HostRefusal& refusal);  // what limits and spool say, in HTTP's words
http::Response to_response(const HttpRefusal& refusal);

// Whether somebody in between says that the request is not from who connected:
// then the address of the connection says nothing of who asks.
bool is_passed_on(const http::Fields& fields);
// Whether a browser says that it asks for a page that is not our own. `secure`: by TLS.
bool is_of_another_page(const http::RequestHead& head, bool secure);

// One connection's. On its loop.
class HttpGate {
 public:
  explicit HttpGate(AuthDesk& desk) : desk_(desk) {}

  // What the connection says by itself.
  struct Connection {
    bool private_way = false;   // TLS, loopback or a Unix socket: nobody listens
    bool certificate = false;   // verified
    std::string_view identity;  // whom certificate, key or proxy name; empty: nobody
    bool this_machine = false;  // loopback or a Unix socket
  };

  // `authorization`: the header field's value; empty: there is none.
  std::expected<HttpCaller, HttpRefusal> who(const AuthDesk::Visitor& visitor, const HttpRules& rules,
                                             const Connection& connection, std::string_view authorization);
  // What a 401 has to name: how to authenticate here.
  static void challenge(const HttpRules& rules, http::Response& response);

 private:
  std::expected<HttpCaller, HttpRefusal> by_key(const AuthDesk::Visitor& visitor, const HttpRules& rules,
                                                std::string_view presented);
  std::expected<HttpCaller, HttpRefusal> by_password(const AuthDesk::Visitor& visitor, const HttpRules& rules,
                                                     std::string_view credentials);
  HttpRefusal failed(const AuthDesk::Visitor& visitor, const HttpRules& rules, std::string_view how,
                     std::string_view user, bool log, std::string reason);
  void succeeded(const AuthDesk::Visitor& visitor, std::string_view how, const std::string& user, bool log);

  AuthDesk& desk_;
  std::string told_;       // who was written down last: once for each user, not for each request
  uint32_t failures_ = 0;  // of this connection
};

}  // namespace impulse::server

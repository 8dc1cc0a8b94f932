// The description of all that is served over HTTP: doc/openapi.json as it is in
// the tree, built in, and a page of the same for people.
#pragma once

#include <string>
#include <string_view>

namespace impulse::api {

// OpenAPI 3.1, for GET /openapi.json. Checked against routes() by a test.
std::string_view openapi_json();

// For GET /docs: one HTML page made of it, without scripts, that asks for
// nothing from elsewhere. Made anew by each call: keep it.
std::string docs_page();

// The field Content-Security-Policy of that page.
constexpr std::string_view docs_policy =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

}  // namespace impulse::api

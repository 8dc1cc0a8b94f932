// The page of GET /docs, from the built-in OpenAPI document. A program that was
// built has a document that a test has read: what is missing in it is left out.
#include "api/openapi.h"
#include "base/html.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <iterator>
#include <utility>

namespace impulse::api {

namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr std::string_view style = R"(
:root { color-scheme: light dark; }
body { font: 16px/1.5 sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em; }
code, pre { font: 14px/1.4 monospace; }
pre { overflow-x: auto; padding: .8em; border: 1px solid #8886; border-radius: 4px; }
section { border-top: 1px solid #8886; margin-top: 1.5em; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .2em 1em .2em 0; border-bottom: 1px solid #8883; }
.method { font-weight: bold; text-transform: uppercase; }
)";

std::string escape(std::string_view text) {
  std::string out;
  append_html(out, text);
  return out;
}

std::string text_of(const OrderedJson& object, const char* member) {
  const auto at = object.find(member);
  return at != object.end() && at->is_string() ? escape(at->get<std::string>()) : std::string();
}

class Page {
 public:
  explicit Page(const OrderedJson& document) : document_(document) {}

  std::string make() {
    const OrderedJson& info = document_.at("info");
    add("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n");
    add("<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n", text_of(info, "title"), style);
    add("<h1>{}</h1>\n<p>{}</p>\n<p>{}</p>\n", text_of(info, "title"), text_of(info, "summary"),
        text_of(info, "description"));
    add("<p>For programs: <a href=\"/openapi.json\">/openapi.json</a></p>\n");
    contents();
    for (const auto& [path, methods] : document_.at("paths").items())
      for (const auto& [method, operation] : methods.items()) section(path, method, operation);
    add("<section>\n<h2>Who may</h2>\n<table>\n");
    for (const auto& [name, scheme] : document_.at("components").at("securitySchemes").items())
      add("<tr><td>{}</td><td>{}</td></tr>\n", escape(name), text_of(scheme, "description"));
    add("</table>\n</section>\n<section>\n<h2>Schemas</h2>\n");
    for (const auto& [name, schema] : document_.at("components").at("schemas").items())
      add("<h3 id=\"schema-{0}\">{0}</h3>\n<pre>{1}</pre>\n", escape(name), escape(schema.dump(2)));
    add("</section>\n</body>\n</html>\n");
    return std::move(text_);
  }

 private:
  template <class... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
  }

  // What a "$ref" leads to; others as they are.
  const OrderedJson& resolved(const OrderedJson& object) const {
    const auto at = object.find("$ref");
    return at == object.end() ? object : document_.at(OrderedJson::json_pointer(at->get<std::string>().substr(1)));
  }

  std::string schema_of(const OrderedJson& holder) const {
    const auto at = holder.find("schema");
    if (at == holder.end()) return {};
    const auto reference = at->find("$ref");
    if (reference == at->end()) return text_of(*at, "type");
    const std::string path = reference->get<std::string>();
    const std::string name = escape(path.substr(path.rfind('/') + 1));
    return fmt::format("<a href=\"#schema-{0}\">{0}</a>", name);
  }

  void contents() {
    for (const OrderedJson& tag : document_.at("tags")) {
      add("<h2>{}</h2>\n<p>{}</p>\n<table>\n", text_of(tag, "name"), text_of(tag, "description"));
      for (const auto& [path, methods] : document_.at("paths").items())
        for (const auto& [method, operation] : methods.items())
          if (operation.at("tags").at(0) == tag.at("name"))
            add("<tr><td><a href=\"#{}\"><code><span class=\"method\">{}</span> {}</code></a></td><td>{}</td></tr>\n",
                text_of(operation, "operationId"), escape(method), escape(path), text_of(operation, "summary"));
      add("</table>\n");
    }
  }

  void bodies(const char* title, const OrderedJson& holder) {
    const auto content = holder.find("content");
    if (content == holder.end()) return;
    for (const auto& [type, body] : content->items())
      add("<p>{}: <code>{}</code> {}</p>\n", title, escape(type), schema_of(body));
  }

  void section(const std::string& path, const std::string& method, const OrderedJson& operation) {
    add("<section id=\"{}\">\n<h2><code><span class=\"method\">{}</span> {}</code></h2>\n<p>{}</p>\n",
        text_of(operation, "operationId"), escape(method), escape(path), text_of(operation, "summary"));
    if (const std::string more = text_of(operation, "description"); !more.empty()) add("<p>{}</p>\n", more);
    if (const std::string right = text_of(operation, "x-right"); !right.empty())
      add("<p>Needs the right <code>{}</code>.</p>\n", right);
    if (const auto parameters = operation.find("parameters"); parameters != operation.end()) {
      add("<h3>Parameters</h3>\n<table>\n");
      for (const OrderedJson& each : *parameters) {
        const OrderedJson& parameter = resolved(each);
        add("<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td></tr>\n", text_of(parameter, "name"),
            text_of(parameter, "in"), schema_of(parameter), text_of(parameter, "description"));
      }
      add("</table>\n");
    }
    if (const auto body = operation.find("requestBody"); body != operation.end()) bodies("Request", *body);
    add("<h3>Answers</h3>\n<table>\n");
    for (const auto& [status, each] : operation.at("responses").items()) {
      const OrderedJson& response = resolved(each);
      std::string shapes;
      if (const auto content = response.find("content"); content != response.end())
        for (const auto& [type, body] : content->items())
          shapes += fmt::format("<code>{}</code> {}<br>", escape(type), schema_of(body));
      add("<tr><td>{}</td><td>{}</td><td>{}</td></tr>\n", escape(status), text_of(response, "description"), shapes);
    }
    add("</table>\n</section>\n");
  }

  const OrderedJson& document_;
  std::string text_;
};

}  // namespace

std::string docs_page() {
  const OrderedJson document = OrderedJson::parse(openapi_json());
  return Page(document).make();
}

}  // namespace impulse::api

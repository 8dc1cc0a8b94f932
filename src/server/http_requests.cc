// What HTTP requests ask for: which are taken, by their heads; and what becomes
// of those that are.
#include "api/metrics.h"
#include "api/openapi.h"
#include "base/text.h"
#include "config/keys.h"
#include "http/error.h"
#include "message/envelope.h"
#include "server/http_pages.h"
#include "server/http_session.h"
#include "smtp/relay.h"

#include <fmt/format.h>

#include <utility>

namespace impulse::server {

namespace key = config::key;
using telemetry::Area;
using telemetry::Level;

namespace {

// Causes of jobs' refusals, in the words of the counters.
std::string_view cause_of(api::Fault fault) {
  switch (fault) {
    case api::Fault::too_large:
      return "size";
    case api::Fault::refused:
      return "relay";
    case api::Fault::no_recipients:
      return "recipients";
    default:
      return "syntax";
  }
}

HttpRefusal in_use() {
  return {409, "conflict", "bad_sequence", "a request with this Idempotency-Key is being carried out", 1, false};
}

}  // namespace

AuthDesk::Visitor HttpSession::visitor() const {
  return {options(), info_, options()[key::tenant], id(), worker().snapshot, Area::http};
}

Admission::Guest HttpSession::asker() const {
  Admission::Guest guest = this->guest();
  guest.tenant = task_.caller.tenant;
  return guest;
}

HttpGate::Connection HttpSession::connection_says() const {
  const bool here = info_.unix_socket || client().is_loopback();
  return {!tls_.empty() || here, certificate_, identity_, here};
}

std::optional<http::Response> HttpSession::on_head(const http::RequestHead& head) {
  const uint64_t number = task_.number;
  task_ = {};
  task_.number = number != 0 ? number : services().http.number();
  task_.target = api::find_route(head.method, head.path, rules_->modules);
  auto response = no_such_page(head, task_.target);
  if (!response)
    if (const auto refusal = why_not(head)) response = refuse(*refusal, "head");
  if (response) task_ = {};
  return response;
}

std::optional<http::Response> HttpSession::no_such_page(const http::RequestHead& head, const api::Routing& target) {
  if (target.route != nullptr) return std::nullopt;
  if (target.allow.empty()) return refuse({404, "not_found", "syntax", "there is nothing under this path"}, "head");
  if (head.method == http::Method::options) {
    http::Response response;
    response.status = 204;
    response.with("Allow", target.allow);
    return response;
  }
  http::Response response = refuse({405, "method", "syntax", fmt::format("this path takes {}", target.allow)}, "head");
  response.with("Allow", target.allow);
  return response;
}

std::optional<HttpRefusal> HttpSession::why_not(const http::RequestHead& head) {
  const api::Route& route = *task_.target.route;
  if (rules_->tls_required && tls_.empty())
    return HttpRefusal{403, "tls_required", "tls_required", "this listener is served over TLS only", 0, true};
  if (!route.right) return std::nullopt;  // everybody may ask
  auto caller = gate_.who(visitor(), *rules_, connection_says(), head.fields.find("Authorization").value_or(""));
  if (!caller) return std::move(caller.error());
  if (!caller->known && (rules_->auth_required || rules_->always_deny))
    return HttpRefusal{401, "unauthorized", "auth_required", "authentication is required"};
  // Whoever a proxy in front of us serves has the proxy's address.
  if (!caller->known && is_passed_on(head.fields))
    return HttpRefusal{401, "unauthorized", "auth_required",
                       "who asks through a proxy has to authenticate: the proxy's address is not the client's"};
  // A page in somebody's browser may reach what its user's machine may, with
  // what the browser sends by itself; and under a name of its own for our address.
  if ((route.module == api::Module::inject || route.module == api::Module::admin) && !caller->by_key &&
      (is_of_another_page(head, !tls_.empty()) || (!caller->known && head.fields.find("Origin"))))
    return HttpRefusal{403, "forbidden", "auth_required", "who asks out of another's page has to present an API key"};
  // Ids can be guessed: strangers are told nothing of what is under way.
  if (!caller->known && route.handler == api::Handler::message_state && !rules_->relay->open_relay &&
      !rules_->relay->relay_hosts.contains(client()))
    return HttpRefusal{401, "unauthorized", "auth_required", "authentication is required"};
  if (!caller->known && !caller->rights.has(*route.right))
    return HttpRefusal{401, "unauthorized", "auth_required", "authentication is required"};
  if (!caller->rights.has(*route.right))
    return HttpRefusal{
        403, "forbidden", "auth",
        fmt::format("this {} has not the right to {}", caller->by_key ? "API key" : "user", auth::name(*route.right))};
  // What commands are about is the whole daemon: no tenant's.
  if (route.module == api::Module::admin && (!caller->tenant.empty() || caller->user.empty()))
    return HttpRefusal{403, "forbidden", "auth", "commands are taken from users of the server, not from a tenant's"};
  task_.caller = std::move(*caller);
  user_ = task_.caller.user;
  if (route.module != api::Module::inject || route.handler == api::Handler::message_state) return std::nullopt;
  return why_no_mail(head);
}

std::optional<HttpRefusal> HttpSession::why_no_mail(const http::RequestHead& head) {
  // No body is read of those whose mail no rule could let in.
  const smtp::Policy& relay = *rules_->relay;
  if (!task_.caller.known && !relay.open_relay && !relay.relay_hosts.contains(client()) &&
      relay.relay_domains.empty() && relay.relay_sending_domains.empty())
    return HttpRefusal{401, "unauthorized", "relay", "relaying denied: authentication is required"};
  // Pages of others may send a body without a type, and unasked.
  if (head.has_body && !head.fields.find("Content-Type"))
    return HttpRefusal{415, "content_type", "syntax", "a body needs a Content-Type"};
  if (const auto idempotency = head.fields.find("Idempotency-Key")) {
    if (head.fields.count("Idempotency-Key") > 1 || !is_idempotency_key(*idempotency))
      return HttpRefusal{400, "idempotency_key", "syntax",
                         "an Idempotency-Key is 1 to 255 visible characters of ASCII, and comes once"};
    task_.owner = idempotency_owner(task_.caller, client());
    task_.key = *idempotency;
  }
  if (const auto refusal = visit().admit(asker(), smtp::ServerHost::Stage::mail)) return to_http(*refusal);
  // What is too large anyway is told so (413, by the engine), whatever the disk has.
  if (head.content_length && *head.content_length <= rules_->wire->max_request_size)
    if (const auto refusal = visit().has_room(*head.content_length)) return to_http(*refusal);
  return std::nullopt;
}

void HttpSession::handle(http::Request request) {
  switch (task_.target.route->handler) {
    case api::Handler::transmissions:
    case api::Handler::inject:
    case api::Handler::messages:
      return inject(std::move(request));
    case api::Handler::message_state:
      return answer(message_page(services().spool, task_.target.parameter, task_.caller.tenant));
    case api::Handler::metrics:
      return tell_metrics(request.head.fields.find("Accept").value_or(""));
    case api::Handler::live:
      return answer(health_page(api::live_answer()));
    case api::Handler::ready:
      return answer(health_page(api::ready_answer(health())));
    case api::Handler::docs:
      return answer(docs_page());
    case api::Handler::openapi:
      return answer(json_response(200, std::string(api::openapi_json())));
    case api::Handler::control:
      return command(std::move(request));
  }
}

api::HealthState HttpSession::health() const {
  api::HealthState state;
  state.stopping = services().http.stopping();
  if (const auto closed = services().admission.closed(worker().snapshot->global(), worker().loop->now())) {
    if (closed->cause == "memory")
      state.memory = closed->text;
    else
      state.spool = closed->text;  // paths and what the disk said are for the log: anybody may ask here
  }
  return state;
}

// The numbers are the main loop's to gather.
void HttpSession::tell_metrics(std::string_view accept) {
  services().figures(*worker().loop, [self = self(), &counters = services().counters,
                                      format = api::negotiate_metrics(accept)](const api::Figures& figures) {
    if (*self == nullptr) return;
    http::Response response;
    response.body = api::write_metrics(counters, figures, format);
    response.with("Content-Type", std::string(api::content_type(format)));
    static_cast<HttpSession*>(*self)->answer(response);
  });
}

// Commands are run by the main loop, as for all consoles.
void HttpSession::command(http::Request request) {
  auto order = api::read_control(request.head.fields.find("Content-Type").value_or(""), request.body);
  if (!order) return answer(order.error());
  ControlAsk ask;
  ask.client.listen = listen();
  ask.client.peer = peer();
  ask.client.tls = !tls_.empty();
  ask.client.proof = control::Client::Proof{task_.caller.user, task_.caller.by_key ? "API key" : "HTTP"};
  ask.local = connection().local();
  ask.address = client();
  ask.order = std::move(*order);
  services().control(*worker().loop, std::move(ask), [self = self()](ControlAnswer done) {
    if (*self == nullptr) return;
    HttpSession& session = *static_cast<HttpSession*>(*self);
    if (done.busy)
      return session.answer(HttpRefusal{503, "unavailable", "admission", "too many commands are being run", 1});
    session.answer(json_response(done.status, std::move(done.body)));
  });
}

void HttpSession::inject(http::Request request) {
  if (!task_.key.empty() && known_already(request)) return;
  auto job = api::make_job(task_.target.route->style, call_of(std::move(request)), mail_policy());
  if (!job) return answer(job.error());
  if ((*job)->total() == 0) return answer(json_response(200, (*job)->answer({}, services().node)));
  if (const auto refusal = visit().admit_all(asker(), (*job)->total())) return answer(to_http(*refusal));
  begin_injection(std::move(*job));
}

// A request that was carried out before is answered as it was then.
bool HttpSession::known_already(const http::Request& request) {
  task_.claim = services().http.claim(fmt::format("{}{}{}", task_.owner, '\0', task_.key));
  if (!task_.claim) return answer(in_use()), true;
  task_.remembered.digest = request_digest(task_.target.route->style, request);
  const auto receipt = services().injector.receipt(task_.owner, task_.key);
  const HttpRefusal unreadable{503, "unavailable", "spool", "what was done before cannot be read now", 30};
  if (!receipt && receipt.error().code == Errc::busy)
    return answer(HttpRefusal{503, "unavailable", "spool", receipt.error().message, 5}), true;
  if (!receipt || task_.remembered.digest.empty()) return answer(unreadable), true;
  if (!*receipt) return false;
  const auto before = from_value((*receipt)->value);
  if (!before) return answer(unreadable), true;
  if (before->digest != task_.remembered.digest) {
    answer(HttpRefusal{422, "idempotency_key", "syntax", "this Idempotency-Key came with another request before"});
    return true;
  }
  std::string body = before->answer;
  if (body.empty())
    body = fmt::format(R"({{"results":{{"total_accepted_recipients":{},"total_rejected_recipients":0,"id":"{}"}}}})",
                       before->messages, before->number);
  answer(json_response(200, std::move(body)).with("Idempotent-Replayed", "true"));
  return true;
}

void HttpSession::begin_injection(std::unique_ptr<api::Job> job) {
  HttpInjection::MakeReceipt receipt;
  if (!task_.key.empty()) receipt = [this](std::span<const MessageId> ids) { return receipt_of(ids); };
  task_.injection = std::make_unique<HttpInjection>(
      services().injector, *worker().loop, std::move(job),
      [this](const spool::Incoming& message) {
        task_.recipients += message.envelope.recipients.size();
        if (auto unknown = unknown_binding(message)) return unknown;
        return may_relay(message);
      },
      std::move(receipt), HttpInjection::Held{task_.claim, visit().ticket()},
      [this](HttpInjection::Outcome outcome) { injected(std::move(outcome)); }, id());
  task_.injection->start();
}

// The answer is durable with the messages, before it is given: it will be the same again.
spool::Receipt HttpSession::receipt_of(std::span<const MessageId> ids) {
  Remembered& remembered = task_.remembered;
  remembered.number = task_.number;
  remembered.messages = ids.size();
  remembered.answer = task_.injection->job().answer(ids, services().node);
  if (!has_room_for(remembered.answer)) remembered.answer = shortened(remembered.answer);
  return make_receipt(task_.owner, task_.key, remembered, wall_now());
}

// One that the request names; the configuration's own were checked when it was read.
std::optional<api::Error> HttpSession::unknown_binding(const spool::Incoming& message) const {
  for (const auto& [name, value] : message.envelope.context)
    if (name == config::binding_context && !value.empty() && !binding_exists(value))
      return api::Error{api::Fault::invalid,
                        task_.target.route->style == api::Style::transmissions ? "options.ip_pool" : "context.binding",
                        fmt::format("there is no Binding or Binding_Group \"{}\"", escape_line(value, 80))};
  return std::nullopt;
}

// Who is known may send to everybody; others where SMTP's rules let them.
std::optional<api::Error> HttpSession::may_relay(const spool::Incoming& message) const {
  if (task_.caller.known) return std::nullopt;
  for (const message::Recipient& recipient : message.envelope.recipients)
    if (!smtp::may_relay(*rules_->relay, client(), message.envelope.sender, recipient.address))
      return api::Error{api::Fault::refused,
                        {},
                        fmt::format("relaying denied for <{}>: authentication is needed", recipient.address)};
  return std::nullopt;
}

void HttpSession::injected(HttpInjection::Outcome outcome) {
  if (const auto* error = std::get_if<api::Error>(&outcome)) {
    visit().not_accepted();
    return answer(*error);
  }
  if (const auto* error = std::get_if<Error>(&outcome)) {
    visit().not_accepted();
    services().log.write(Level::error, Area::spool, "message-refused",
                         fmt::format("session {}: {}", id(), error->message));
    const bool full = error->code == Errc::no_space;
    return answer(HttpRefusal{full ? 507 : 503, full ? "no_storage" : "unavailable", "spool",
                              "what was sent could not be made durable, try again later", 30});
  }
  visit().accepted();
  const auto& ids = std::get<std::vector<MessageId>>(outcome);
  messages_ += ids.size();
  recipients_ += task_.recipients;
  std::string body = task_.injection->job().answer(ids, services().node);
  answer(json_response(200, std::move(body)));
}

void HttpSession::answer(const api::Error& error) {
  const int status = api::status_of(error.fault);
  smtp::Refusal told;
  told.code = status;
  told.cause = cause_of(error.fault);
  told.text = error.field.empty() ? error.reason : fmt::format("{}: {}", error.field, error.reason);
  refuse_for_log(told, "data", {}, task_.caller.user, task_.caller.tenant);
  answer(json_response(status, api::error_body(error, task_.target.route->style)));
}

api::Call HttpSession::call_of(http::Request request) const {
  api::Call call;
  call.body = std::move(request.body);
  call.content_type = request.head.fields.find("Content-Type").value_or("");
  call.query = std::move(request.head.query);
  for (const http::Field& field : request.head.fields)
    if (istarts_with(field.name, "X-")) call.headers.emplace_back(field.name, field.value);
  call.client = client();
  call.client_port = info_.port;
  call.unix_socket = info_.unix_socket;
  call.listener = info_.listener;
  call.user = task_.caller.user;
  call.tls = tls_;
  call.tls_bits = tls_bits_;
  call.now = wall_now();
  call.number = task_.number;
  return call;
}

// A key may be of a tenant where the connection is of none.
std::shared_ptr<const api::Policy> HttpSession::mail_policy() const {
  if (task_.caller.tenant == rules_->mail->tenant) return rules_->mail;
  api::Policy policy = *rules_->mail;
  policy.tenant = task_.caller.tenant;
  return std::make_shared<const api::Policy>(std::move(policy));
}

}  // namespace impulse::server

// The server's replies: one row each, and the one place that writes them
// (RFC 5321 §4.2, enhanced codes of RFC 2034 and RFC 3463).
#pragma once

#include <string>
#include <string_view>

namespace impulse::smtp {

struct ServerReply {
  int code;
  std::string_view enhanced;  // "2.1.0"; empty where none belongs (banner, EHLO and HELO, 3xx)
  std::string_view text;
};

namespace reply {

inline constexpr ServerReply authenticated{235, "2.7.0", "Authentication successful"};
inline constexpr ServerReply bye{221, "2.0.0", "Bye"};
inline constexpr ServerReply ok{250, "2.0.0", "OK"};
inline constexpr ServerReply sender_ok{250, "2.1.0", "Sender OK"};
inline constexpr ServerReply recipient_ok{250, "2.1.5", "Recipient OK"};
inline constexpr ServerReply ready_for_tls{220, "2.0.0", "Ready to start TLS"};
inline constexpr ServerReply help{214, "2.0.0", ""};
inline constexpr ServerReply cannot_verify{252, "2.0.0", "Cannot verify; send mail and see"};
inline constexpr ServerReply send_data{354, "", "End data with <CR><LF>.<CR><LF>"};

inline constexpr ServerReply too_many_failures{421, "4.7.0", "Too many failures to authenticate"};
inline constexpr ServerReply too_many_errors{421, "4.7.0", "Too many errors"};
inline constexpr ServerReply timed_out{421, "4.4.2", "Timed out waiting for you"};
inline constexpr ServerReply connection_recipients{421, "4.5.3", "Too many recipients on this connection"};
inline constexpr ServerReply connection_messages{421, "4.5.3", "Too many messages on this connection"};
inline constexpr ServerReply not_http{421, "4.7.0", "This is a mail server"};

inline constexpr ServerReply try_later{451, "4.3.0", "Cannot take mail now, try again later"};
inline constexpr ServerReply busy{451, "4.3.2", "Too busy now, try again later"};
inline constexpr ServerReply no_space{452, "4.3.1", "Not enough storage now, try again later"};
inline constexpr ServerReply too_many_recipients{452, "4.5.3", "Too many recipients"};

inline constexpr ServerReply auth_trouble{454, "4.7.0", "Cannot authenticate anybody now, try again later"};
inline constexpr ServerReply auth_too_long{500, "5.5.6", "Authentication line too long"};
inline constexpr ServerReply lhlo_only{500, "5.5.1", "This is LMTP: send LHLO"};
inline constexpr ServerReply auth_cancelled{501, "5.0.0", "Authentication cancelled"};
inline constexpr ServerReply not_base64{501, "5.5.2", "That is not base64"};
inline constexpr ServerReply bad_xclient{501, "5.5.4", "Bad attribute or value"};
inline constexpr ServerReply bad_context{501, "5.5.4", "Expected name=value, in xtext"};
inline constexpr ServerReply no_binding{501, "5.5.4", "No such Binding"};
inline constexpr ServerReply bad_address{501, "5.5.4", "Expected an IP address"};
inline constexpr ServerReply unknown_command{500, "5.5.2", "Command not recognized"};
inline constexpr ServerReply empty_command{500, "5.5.2", "Empty line, a command was expected"};
inline constexpr ServerReply line_too_long{500, "5.5.2", "Line too long"};
inline constexpr ServerReply bad_bytes{500, "5.5.2", "Control or 8-bit characters in a command"};
inline constexpr ServerReply data_needs_crlf{500, "5.5.2",
                                             "Message data needs lines that end in CRLF; these end in LF"};
inline constexpr ServerReply no_arguments{501, "5.5.4", "No argument allowed"};
inline constexpr ServerReply needs_argument{501, "5.5.4", "Argument missing"};
inline constexpr ServerReply bad_helo{501, "", "Expected one domain or address literal"};
inline constexpr ServerReply mail_syntax{501, "5.5.4", "Expected MAIL FROM:<address>"};
inline constexpr ServerReply rcpt_syntax{501, "5.5.4", "Expected RCPT TO:<address>"};
inline constexpr ServerReply bad_sender{501, "5.1.7", "Bad sender address syntax"};
inline constexpr ServerReply bad_recipient{501, "5.1.3", "Bad recipient address syntax"};
inline constexpr ServerReply long_sender{501, "5.1.7", "Sender address too long"};
inline constexpr ServerReply long_recipient{501, "5.1.3", "Recipient address too long"};
inline constexpr ServerReply bad_parameters{501, "5.5.4", "Bad parameter syntax"};
inline constexpr ServerReply bad_size{501, "5.5.4", "Bad SIZE value"};
inline constexpr ServerReply bad_body{501, "5.5.4", "BODY value not offered"};
inline constexpr ServerReply takes_no_value{501, "5.5.4", "Parameter takes no value"};
inline constexpr ServerReply bad_ret{501, "5.5.4", "RET is FULL or HDRS"};
inline constexpr ServerReply bad_envid{501, "5.5.4", "ENVID is xtext of at most 100 octets"};
inline constexpr ServerReply bad_auth_parameter{501, "5.5.4", "AUTH is <> or a mailbox in xtext"};
inline constexpr ServerReply bad_by{501, "5.5.4", "BY is seconds;R or seconds;N, R with a time to come"};
inline constexpr ServerReply bad_hold{501, "5.5.4", "Hold time is not one, is over, or is too far away"};
inline constexpr ServerReply hold_twice{501, "5.5.4", "HOLDFOR or HOLDUNTIL, not both"};
inline constexpr ServerReply bad_priority{501, "5.5.2", "MT-PRIORITY is a number from -9 to 9"};
inline constexpr ServerReply bad_notify{501, "5.5.4", "NOTIFY is NEVER, or a list of SUCCESS, FAILURE, DELAY"};
inline constexpr ServerReply bad_orcpt{501, "5.5.4", "ORCPT is type;xtext of at most 500 octets"};
inline constexpr ServerReply twice{501, "5.5.4", "Parameter given twice"};
inline constexpr ServerReply not_available{502, "5.5.1", "Command not available"};
inline constexpr ServerReply bad_sequence{503, "5.5.1", "Bad sequence of commands"};
inline constexpr ServerReply greet_first{503, "5.5.1", "Send HELO or EHLO first"};
inline constexpr ServerReply lhlo_first{503, "5.5.1", "Send LHLO first"};
inline constexpr ServerReply mail_first{503, "5.5.1", "Send MAIL first"};
inline constexpr ServerReply rcpt_first{503, "5.5.1", "Send RCPT first"};
inline constexpr ServerReply second_mail{503, "5.5.1", "Sender given already"};
inline constexpr ServerReply tls_active{503, "5.5.1", "TLS is active already"};
inline constexpr ServerReply denied_session{503, "5.5.1", "Only QUIT is possible"};
inline constexpr ServerReply authenticated_already{503, "5.5.1", "Authenticated already"};
inline constexpr ServerReply bdat_begun{503, "5.5.1", "BDAT has begun: go on with it, or send RSET"};
inline constexpr ServerReply binary_needs_bdat{503, "5.5.1", "BODY=BINARYMIME needs BDAT"};
inline constexpr ServerReply chunk_failed{503, "5.5.1", "An earlier BDAT has failed; send RSET"};
inline constexpr ServerReply unknown_mechanism{504, "5.5.4", "Mechanism not available"};
inline constexpr ServerReply bad_chunk_size{521, "5.5.4", "The size of BDAT cannot be read; closing"};
inline constexpr ServerReply authenticate_first{530, "5.7.0", "Authentication required"};
inline constexpr ServerReply mechanism_too_weak{534, "5.7.9", "Mechanism too weak"};
inline constexpr ServerReply bad_credentials{535, "5.7.8", "Authentication failed"};
inline constexpr ServerReply auth_needs_tls{538, "5.7.11", "Encryption required for that mechanism"};
inline constexpr ServerReply not_trusted{550, "5.7.1", "Not allowed from here"};
inline constexpr ServerReply sender_mismatch{553, "5.7.1", "Sender address is not yours"};
inline constexpr ServerReply utf8_needs_smtputf8{553, "5.6.7", "Address outside ASCII needs SMTPUTF8"};
inline constexpr ServerReply lone_lf_command{521, "5.5.2", "A command held a lone LF; closing"};
inline constexpr ServerReply tls_first{530, "5.7.0", "Issue a STARTTLS command first"};
inline constexpr ServerReply unqualified_recipient{550, "5.1.3", "Recipient address needs a domain"};
inline constexpr ServerReply unqualified_sender{550, "5.1.7", "Sender address needs a domain"};
inline constexpr ServerReply null_sender{550, "5.1.7", "Null sender not accepted"};
inline constexpr ServerReply literal_recipient{550, "5.1.3", "Address literals are not accepted"};
inline constexpr ServerReply literal_sender{550, "5.1.7", "Address literals are not accepted"};
inline constexpr ServerReply relaying_denied{550, "5.7.1", "Relaying denied"};
inline constexpr ServerReply lone_lf{550, "5.6.0", "Message has a CR or LF alone; lines end in CRLF"};
inline constexpr ServerReply header_too_big{552, "5.3.4", "Header section too big"};
inline constexpr ServerReply too_big{552, "5.3.4", "Message too big"};
inline constexpr ServerReply utf8_address{553, "5.6.7", "Address outside ASCII, and SMTPUTF8 is not offered"};
inline constexpr ServerReply denied{554, "5.7.1", "Access denied"};
inline constexpr ServerReply no_recipients{554, "5.5.1", "No valid recipients"};
inline constexpr ServerReply tls_injection{554, "5.5.1", "Commands behind STARTTLS are not accepted"};
inline constexpr ServerReply loop{554, "5.4.6", "Too many Received fields, mail loop"};
inline constexpr ServerReply unknown_parameter{555, "5.5.4", "Parameter not recognized"};

}  // namespace reply

// Appends "code[-| ][enhanced ]text CRLF", the text cleaned of control and
// 8-bit characters and cut so that the line has at most 512 octets.
void append_reply_line(std::string& out, int code, std::string_view enhanced, std::string_view text, bool last = true);

// Appends "334 challenge CRLF", which may be of any length (RFC 4954 §4); the
// challenge is in base64 already.
void append_auth_challenge(std::string& out, std::string_view challenge);

// Takes "4.3.2 text" apart; the code is empty when the text does not start with one.
struct CodedText {
  std::string_view enhanced;
  std::string_view text;
};
CodedText split_enhanced(std::string_view text);

}  // namespace impulse::smtp

// Sends what it is told to, as JSON on its standard input, by Nodemailer:
//   { transport: {…}, messages: [ { envelope: {…}, raw: base64 } | {…} ] }
// and prints for each a line of JSON: the server's response, or its error.
'use strict';

const nodemailer = require(process.argv[2]);

async function main() {
  let text = '';
  for await (const piece of process.stdin) text += piece;
  const { transport, messages } = JSON.parse(text);
  const sender = nodemailer.createTransport(transport);
  const sent = messages.map(async (message) => {
    if (message.raw) message.raw = Buffer.from(message.raw, 'base64');
    try {
      const info = await sender.sendMail(message);
      return { response: info.response, accepted: info.accepted, rejected: info.rejected };
    } catch (error) {
      return { error: error.message, code: error.responseCode || error.code };
    }
  });
  for (const line of await Promise.all(sent)) console.log(JSON.stringify(line));
  sender.close();
}

main();

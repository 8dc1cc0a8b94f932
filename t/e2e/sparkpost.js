// Sends what it is told to, as JSON on its standard input, by SparkPost's client:
//   { key, endpoint, transmissions: [ [ {…}, {options} ] ] }
// and prints for each a line of JSON: the results, or the error.
'use strict';

const SparkPost = require(process.argv[2]);

async function main() {
  let text = '';
  for await (const piece of process.stdin) text += piece;
  const { key, endpoint, transmissions } = JSON.parse(text);
  const client = new SparkPost(key, { endpoint });
  for (const [transmission, options] of transmissions) {
    try {
      console.log(JSON.stringify(await client.transmissions.send(transmission, options || {})));
    } catch (error) {
      console.log(JSON.stringify({ error: error.message, status: error.statusCode, errors: error.errors }));
    }
  }
}

main();

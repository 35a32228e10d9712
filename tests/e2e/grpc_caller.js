// The same application as grpc_caller.py, with Node's gRPC.
const grpc = require("@grpc/grpc-js");
require("@grpc/grpc-js-xds").register();

const METHOD = "/pilotd.test.Who/Ask";
const CALL_MS = 5000;
const clients = new Map();
const same = (bytes) => bytes;

function ask(target, headers, done) {
    if (!clients.has(target))
        clients.set(target, new grpc.Client(`xds:///${target}`, grpc.credentials.createInsecure()));
    const metadata = new grpc.Metadata();
    for (const header of headers)
        metadata.set(...header.split("=", 2));
    const options = { deadline: Date.now() + CALL_MS };
    clients.get(target).makeUnaryRequest(METHOD, same, same, Buffer.alloc(0), metadata, options,
        (error, answer) => done(error ? grpc.status[error.code] : answer.toString()));
}

require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
    const [target, ...headers] = line.split(" ");
    ask(target, headers, (answer) => process.stdout.write(answer + "\n"));
});

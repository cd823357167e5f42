// Judges requests by @cloud-copilot/iam-simulate (AGPL-3.0), which nothing else here uses, imports or ships.
// Usage: node second_opinion.cjs FOLDER, where the package is installed. It reads a JSON list of simulations from
// standard input, and writes a JSON list of whether each is allowed. Whatever it cannot judge whole ends it.

const { createRequire } = require("node:module");
const { text } = require("node:stream/consumers");

const { runSimulation } = createRequire(`${process.argv[2]}/`)("@cloud-copilot/iam-simulate");

async function allowed(simulation) {
  const judged = await runSimulation(simulation, {});
  if (judged.resultType !== "single" || judged.result.ignoredContextKeys.length > 0) {
    throw new Error(`not judged whole: ${JSON.stringify({ simulation, judged })}`);
  }
  return judged.overallResult === "Allowed";
}

text(process.stdin)
  .then((input) => Promise.all(JSON.parse(input).map(allowed)))
  .then((answers) => process.stdout.write(JSON.stringify(answers)));

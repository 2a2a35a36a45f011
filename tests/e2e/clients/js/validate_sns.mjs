// Have sns-validator judge the messages of standard input (a JSON array), whose certificate is at a host that the pattern
// of the first argument allows, or at Amazon's when there is none; print a JSON array of "" or what is wrong.
import { readFileSync } from "node:fs";
import MessageValidator from "sns-validator";

const validator = process.argv[2] ? new MessageValidator(new RegExp(process.argv[2])) : new MessageValidator();
const judge = (message) => new Promise((resolve) => validator.validate(message, (error) => resolve(error?.message ?? "")));
const messages = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(await Promise.all(messages.map(judge))));

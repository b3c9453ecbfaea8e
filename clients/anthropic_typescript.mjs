// The official Anthropic client for TypeScript.

import Anthropic from '@anthropic-ai/sdk';
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod';
import { z } from 'zod';

import * as trial from './trial.mjs';
import { expect, expectCity, expectError, expectSorted, expectText, model } from './trial.mjs';

const client = new Anthropic({ baseURL: trial.url, apiKey: 'sk-trial', maxRetries: 0, timeout: 60_000 });
const Sorted = z.object({ category: z.enum(trial.categories), urgent: z.boolean() });
const tools = [{ name: 'get_weather', description: 'Tells the weather.', input_schema: trial.citySchema }];

const turns = (content) => [{ role: 'user', content }];
const ask = (content, more = {}) =>
  client.messages.create({ model, max_tokens: 200, messages: turns(content), ...more });
const textOf = (message) => message.content.map((block) => (block.type === 'text' ? block.text : '')).join('');

function toolUse(message) {
  const block = message.content.find((block) => block.type === 'tool_use');
  expect(message.stop_reason === 'tool_use', message);
  expectCity(block.input);
  return block;
}

async function drain(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

await trial.run('Messages', {
  async chat() {
    const answer = await ask(trial.hello);
    expectText(textOf(answer), trial.helloSaid);
    expect(answer.usage.output_tokens > 0, answer.usage);
  },
  async stream() {
    const stream = client.messages.stream({ model, max_tokens: 200, messages: turns(trial.hello) });
    const pieces = [];
    stream.on('text', (piece) => pieces.push(piece));
    const answer = await stream.finalMessage();
    expect(pieces.length > 1, `${pieces.length} pieces`);
    expectText(textOf(answer), trial.helloSaid);
    expect(answer.usage.output_tokens > 0, answer.usage);
  },
  async tools() {
    const demand = { tools, ...trial.mustCall({ tool_choice: { type: 'any' } }) };
    const first = await ask(trial.weather, demand);
    const { id } = toolUse(first);
    const stream = client.messages.stream({ model, max_tokens: 200, messages: turns(trial.weather), ...demand });
    toolUse(await stream.finalMessage());
    const result = { type: 'tool_result', tool_use_id: id, content: '7 degrees' };
    const messages = [
      ...turns(trial.weather),
      { role: 'assistant', content: first.content },
      { role: 'user', content: [result] },
    ];
    trial.expectWeather(textOf(await ask('', { messages, tools })));
  },
  async 'structured output'() {
    const output_config = { format: zodOutputFormat(Sorted) };
    const messages = turns(trial.mail);
    const answer = await client.messages.parse({ model, max_tokens: 200, messages, output_config });
    expectSorted(answer.parsed_output);
  },
  async errors() {
    await expectError(() => ask('?', { model: 'no-such-model' }), (e) => e instanceof Anthropic.NotFoundError);
    await expectError(() => ask(5), (e) => e instanceof Anthropic.BadRequestError);
    if (!trial.isScripted) return;
    await expectError(() => ask(trial.breakOff), (e) => e instanceof Anthropic.InternalServerError);
    const stream = await ask(trial.breakInStream, { stream: true });
    await expectError(() => drain(stream), (e) => e instanceof Anthropic.APIError);
  },
  cancellation: () =>
    trial.cancelled(async () => {
      const stream = await ask(trial.count, { stream: true });
      for await (const event of stream) break;
    }),
  async 'token count'() {
    const counted = await client.messages.countTokens({ model, messages: turns(trial.hello) });
    expect(counted.input_tokens > 0, counted);
  },
});

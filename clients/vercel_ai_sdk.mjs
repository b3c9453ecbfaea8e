// The Vercel AI SDK: createOpenAI (Responses by default, and Chat Completions), and createAnthropic.

import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { APICallError, Output, generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';

import * as trial from './trial.mjs';
import { expect, expectCity, expectError, expectSorted, expectText } from './trial.mjs';

const openai = createOpenAI({ baseURL: `${trial.url}/v1`, apiKey: 'sk-trial' });
const anthropic = createAnthropic({ baseURL: `${trial.url}/v1`, apiKey: 'sk-trial' });
const Sorted = z.object({ category: z.enum(trial.categories), urgent: z.boolean() });
const tools = {
  get_weather: tool({
    description: 'Tells the weather.',
    inputSchema: z.object({ city: z.enum(trial.cities) }),
    execute: async ({ city }) => (city === 'Oslo' ? '7 degrees' : 'unknown'),
  }),
};

const hasStatus = (isRight) => (error) => APICallError.isInstance(error) && isRight(error.statusCode);

function trials(of, providerOptions) {
  const asked = (prompt) => ({ model: of(trial.model), prompt, providerOptions, maxRetries: 0, maxOutputTokens: 200 });
  return {
    async chat() {
      const { text, usage } = await generateText(asked(trial.hello));
      expectText(text, trial.helloSaid);
      expect(usage.outputTokens > 0, usage);
    },
    async stream() {
      const result = streamText(asked(trial.hello));
      const pieces = [];
      for await (const piece of result.textStream) pieces.push(piece);
      expect(pieces.length > 1, `${pieces.length} pieces`);
      expectText(pieces.join(''), trial.helloSaid);
      expect((await result.usage).outputTokens > 0, await result.usage);
    },
    async tools() {
      if (!trial.isScripted) {
        const { toolCalls } = await generateText({ ...asked(trial.weather), tools, toolChoice: 'required' });
        expectCity(toolCalls[0].input);
        return;
      }
      const loop = { ...asked(trial.weather), tools, stopWhen: stepCountIs(3) };
      trial.expectWeather((await generateText(loop)).text);
      const streamed = streamText(loop);
      await streamed.consumeStream();
      trial.expectWeather(await streamed.text);
    },
    async 'structured output'() {
      const result = await generateText({ ...asked(trial.mail), output: Output.object({ schema: Sorted }) });
      expectSorted(result.output);
    },
    async errors() {
      const unknown = { ...asked('?'), model: of('no-such-model') };
      await expectError(() => generateText(unknown), hasStatus((status) => status === 404));
      if (!trial.isScripted) return;
      await expectError(() => generateText(asked(trial.breakOff)), hasStatus((status) => status >= 500));
      const kinds = [];
      for await (const part of streamText({ ...asked(trial.breakInStream), onError() {} }).fullStream) kinds.push(part.type);
      expect(kinds.includes('error'), kinds);
    },
    cancellation: () =>
      trial.cancelled(async () => {
        const leaving = new AbortController();
        const result = streamText({ ...asked(trial.count), abortSignal: leaving.signal, onError() {} });
        for await (const part of result.fullStream) {
          if (part.type === 'text-delta') leaving.abort();
          if (part.type === 'abort') break;
        }
      }),
  };
}

await trial.run('Responses', trials((name) => openai(name)));
await trial.run('Responses, `store: false`', trials((name) => openai(name), { openai: { store: false } }));
await trial.run('Chat Completions', trials((name) => openai.chat(name)));
await trial.run('Messages', trials((name) => anthropic(name)));

/*
 * Verifies webhooks as their receivers do: by the libraries that the makers of each format publish.
 *
 * Reads a JSON object a line, {"library", "secret", "headers", "body" in base64}; prints one a line,
 * {"library", "valid", "error"}. tests/e2e/test_receiver_libraries.py copies it beside the libraries.
 */

import readline from 'node:readline';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import Stripe from 'stripe';
import { verify as verifyGithub } from '@octokit/webhooks-methods';
import '@shopify/shopify-api/adapters/node';
import { shopifyApi, ApiVersion } from '@shopify/shopify-api';

/* Each one throws, or returns false, for what it does not accept. */
const libraries = {
  standardwebhooks: (secret, headers, body) => new StandardWebhook(secret).verify(body, headers) !== undefined,
  svix: (secret, headers, body) => new SvixWebhook(secret).verify(body, headers) !== undefined,
  octokit: (secret, headers, body) => verifyGithub(secret, body, headers['x-hub-signature-256']),
  stripe: (secret, headers, body) =>
    Stripe.webhooks.constructEvent(body, headers['stripe-signature'], secret) !== undefined,
  shopify: async (secret, headers, body) => {
    const shopify = shopifyApi({
      apiKey: 'key', apiSecretKey: secret, hostName: 'receiver.example', isEmbeddedApp: false,
      apiVersion: ApiVersion.January25, logger: { level: 0 },
    });
    return (await shopify.webhooks.validate({ rawBody: body, rawRequest: { headers } })).valid;
  },
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { library, secret, headers, body } = JSON.parse(line);
  const answer = { library, valid: false };
  try {
    answer.valid = (await libraries[library](secret, headers, Buffer.from(body, 'base64').toString())) === true;
  } catch (error) {
    answer.error = String(error.message).split('\n')[0];
  }
  console.log(JSON.stringify(answer));
}

-- no-transaction
-- Delivery reports: from a provider's id to the message.
CREATE INDEX CONCURRENTLY sms_messages_provider_id_idx
    ON sms_messages (provider, provider_message_id) WHERE provider_message_id IS NOT NULL;

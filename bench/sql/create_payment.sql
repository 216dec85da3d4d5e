-- What a payment writes until its payer is sent away, as a program without a batcher would do it: the
-- payment and the page to be opened in one transaction, and in another what the gateway said. The
-- rows and the indexes they touch are those of the api.
\set user random(1, 1000)
\set payer :first_user + :user
BEGIN;
INSERT INTO payments (handle, user_id, order_id, amount, currency, amount_rials, purpose, gateway,
    callback_url, created_at, updated_at, watch_until)
VALUES (md5(random()::text), :payer, 'bench', 10000, 'IRR', 10000, 'charge_wallet',
    'zarinpal', 'http://127.0.0.1:8080/api/payment/verify/', now(), now(), now() + interval '1 hour')
RETURNING id AS payment \gset
INSERT INTO payment_sessions (payment_id, gateway, created_at) VALUES (:payment, 'zarinpal', now())
RETURNING id AS page \gset
COMMIT;
BEGIN;
UPDATE payment_sessions SET state = 'open', authority = 'A' || lpad(:page::text, 35, '0'),
    url = 'https://payment.zarinpal.com/pg/StartPay/A' || lpad(:page::text, 35, '0'), code = 100,
    message = 'Success', answer = '{"code": 100, "message": "Success"}', opened_at = now()
WHERE id = :page AND state = 'opening';
UPDATE payments SET state = 'redirected', updated_at = now(), gateway_code = 100
WHERE id = :payment AND state = 'created';
COMMIT;

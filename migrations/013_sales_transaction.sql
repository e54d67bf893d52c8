-- dbm: module sales
-- dbm: unless table sales_transaction

CREATE TABLE sales_transaction (
    id ${identity},
    sales_order_id BIGINT NOT NULL,
    account_id BIGINT,
    amount NUMERIC(12, 2) NOT NULL,
    method VARCHAR(30),
    paid_at ${timestamp} DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT sales_transaction_sales_order_id_fkey FOREIGN KEY (sales_order_id) REFERENCES sales_order (id),
    CONSTRAINT sales_transaction_account_id_fkey FOREIGN KEY (account_id) REFERENCES account (id)
);

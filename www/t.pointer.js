function t(){}export{t as default};
